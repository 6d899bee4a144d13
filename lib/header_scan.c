#include "lib/header_scan.h"

#include <string.h>

enum state {
    LINE_START,
    NAME,    /* so far the line is the name `names[name]` and perhaps blanks; waits */
    LINE_CR, /* the line is a CR so far; waits */
    LINE     /* the rest of a line */
};

/* A piece on its way: of its bytes those before `done` were looked at, those before `from` put or
 * dropped. Where bytes wait they begin in `held`, or when that is empty at `mark`. */
struct piece {
    char const *bytes;
    size_t length, done, from, mark;
};

static unsigned char lower(char byte)
{
    return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

void header_scan_start(struct header_scan *scan, struct header_watch const *watch)
{
    scan->watch = watch;
    scan->over = scan->in_field = false;
    scan->state = LINE_START;
    scan->fate = HEADER_KEEP;
    scan->name = scan->matched = scan->held_length = 0;
}

static void put(struct header_scan *scan, void *context, char const *bytes, size_t length)
{
    if (length > 0)
        scan->watch->put(context, bytes, length);
}

static void release(struct header_scan *scan, void *context)
{
    put(scan, context, scan->held, scan->held_length);
    scan->held_length = 0;
}

static bool is_waiting(struct header_scan const *scan)
{
    return scan->state == NAME || scan->state == LINE_CR || scan->fate == HEADER_HOLD;
}

static size_t count_waiting(struct header_scan const *scan, struct piece const *piece)
{
    return scan->held_length + piece->done - (scan->held_length ? 0 : piece->mark);
}

/* What waits, if anything does, is dropped. */
static void drop(struct header_scan *scan, void *context, struct piece *piece)
{
    if (scan->held_length == 0)
        put(scan, context, piece->bytes + piece->from, piece->mark - piece->from);
    scan->held_length = 0;
    piece->from = piece->done;
}

/* The field that waited so far has met its FATE. */
static void settle(struct header_scan *scan, void *context, struct piece *piece,
                   enum header_fate fate)
{
    scan->fate = (unsigned char)fate;
    if (fate == HEADER_KEEP)
        release(scan, context);
    else if (fate == HEADER_DROP)
        drop(scan, context, piece);
}

static enum header_fate final(enum header_fate fate)
{
    return fate == HEADER_HOLD ? HEADER_DROP : fate;
}

/* The field that is being read, if any, ends before the next byte. */
static void end_field(struct header_scan *scan, void *context, struct piece *piece)
{
    if (scan->in_field && scan->fate != HEADER_DROP) {
        enum header_fate const fate = final(scan->watch->end(context));
        if (scan->fate == HEADER_HOLD)
            settle(scan, context, piece, fate);
    }
    scan->in_field = false;
    scan->fate = HEADER_KEEP;
}

static void wait_from_here(struct header_scan *scan, struct piece *piece, enum state state)
{
    scan->state = (unsigned char)state;
    piece->mark = piece->done++;
}

/* The first byte of a line. What is not taken is the beginning of LINE. */
static void begin_line(struct header_scan *scan, void *context, struct piece *piece)
{
    char const byte = piece->bytes[piece->done];
    scan->state = LINE;
    if (is_blank(byte))
        return; /* a folded line goes on with its field */
    end_field(scan, context, piece);
    if (byte == '\n') {
        scan->over = true;
    } else if (byte == '\r') {
        wait_from_here(scan, piece, LINE_CR);
    } else {
        for (size_t i = 0; i < scan->watch->count; i++)
            if (lower(byte) == (unsigned char)scan->watch->names[i][0]) {
                scan->name = i;
                scan->matched = 1;
                wait_from_here(scan, piece, NAME);
                return;
            }
    }
}

/* A byte of what may be a field's name. */
static void go_on_with_name(struct header_scan *scan, void *context, struct piece *piece)
{
    char const byte = piece->bytes[piece->done];
    char const *const name = scan->watch->names[scan->name];
    bool const full = count_waiting(scan, piece) >= HEADER_SCAN_HELD_MAX;
    if (name[scan->matched] && lower(byte) == (unsigned char)name[scan->matched]) {
        scan->matched++;
        piece->done++;
    } else if (!name[scan->matched] && (byte == ':' || (full && is_blank(byte)))) {
        piece->done++;
        scan->in_field = true;
        scan->state = LINE;
        enum header_fate const fate = scan->watch->begin(context, scan->name);
        bool const room = count_waiting(scan, piece) < HEADER_SCAN_HELD_MAX;
        settle(scan, context, piece, room ? fate : final(fate));
    } else if (!name[scan->matched] && is_blank(byte)) {
        piece->done++;
    } else {
        scan->state = LINE;
        release(scan, context);
    }
}

static void go_on_behind_cr(struct header_scan *scan, void *context, struct piece *piece)
{
    scan->over = piece->bytes[piece->done] == '\n';
    scan->state = LINE;
    release(scan, context);
}

/* The rest of the line, or as much of it as may wait. */
static void pass_line(struct header_scan *scan, void *context, struct piece *piece)
{
    char const *const bytes = piece->bytes + piece->done;
    size_t most = piece->length - piece->done;
    if (scan->fate == HEADER_HOLD && most > HEADER_SCAN_HELD_MAX - count_waiting(scan, piece))
        most = HEADER_SCAN_HELD_MAX - count_waiting(scan, piece);
    char const *const end = memchr(bytes, '\n', most);
    size_t const length = end ? (size_t)(end - bytes) + 1 : most;
    enum header_fate fate = HEADER_KEEP;
    if (scan->in_field && scan->fate != HEADER_DROP)
        fate = scan->watch->value(context, bytes, length);
    piece->done += length;
    if (end)
        scan->state = LINE_START;
    if (scan->fate == HEADER_DROP)
        piece->from = piece->done;
    else if (scan->fate == HEADER_HOLD && count_waiting(scan, piece) == HEADER_SCAN_HELD_MAX)
        settle(scan, context, piece, final(fate));
    else if (scan->fate == HEADER_HOLD)
        settle(scan, context, piece, fate);
}

/* The piece is at its end: what waits is kept for the next. */
static void keep_waiting(struct header_scan *scan, void *context, struct piece const *piece)
{
    size_t const start = scan->held_length ? 0 : piece->mark;
    put(scan, context, piece->bytes + piece->from, start - piece->from);
    memcpy(scan->held + scan->held_length, piece->bytes + start, piece->length - start);
    scan->held_length += piece->length - start;
}

void header_scan_pass(struct header_scan *scan, void *context, char const *bytes, size_t length)
{
    struct piece piece = {.bytes = bytes, .length = length};
    while (piece.done < length && !scan->over)
        switch ((enum state)scan->state) {
        case LINE_START:
            begin_line(scan, context, &piece);
            break;
        case NAME:
            go_on_with_name(scan, context, &piece);
            break;
        case LINE_CR:
            go_on_behind_cr(scan, context, &piece);
            break;
        case LINE:
            pass_line(scan, context, &piece);
            break;
        }
    if (!scan->over && is_waiting(scan) && length > 0)
        keep_waiting(scan, context, &piece);
    else
        put(scan, context, bytes + piece.from, length - piece.from);
}

void header_scan_end(struct header_scan *scan, void *context)
{
    struct piece piece = {.bytes = scan->held};
    if (scan->over)
        return;
    if (scan->state == NAME || scan->state == LINE_CR)
        release(scan, context);
    end_field(scan, context, &piece);
    scan->over = true;
}
