#include "queue/bounce_original.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "lib/utf8.h"

#define LINE_MAX_7BIT 998 /* bytes without the line end: RFC 2045 2.7 */

static char block[BOUNCE_ORIGINAL_LOOK]; /* one piece of one message at a time */

/* Reads up to SIZE bytes at AT of the message; fewer only at its end. -1: errno. */
static ssize_t read_piece(struct bounce_original const *original, uint64_t at, size_t size)
{
    uint64_t const left = original->length - at;
    size_t got = 0;
    if (size > left)
        size = (size_t)left;
    while (got < size) {
        ssize_t const count = pread(original->descriptor, block + got, size - got,
                                    (off_t)(original->offset + at + got));
        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            errno = ENODATA;
        if (count <= 0)
            return -1;
        got += (size_t)count;
    }
    return (ssize_t)got;
}

enum bounce_read bounce_original_open(struct bounce_original *original, int descriptor,
                                      struct queue_message const *message)
{
    *original = (struct bounce_original){.descriptor = descriptor,
                                         .offset = message->message_offset,
                                         .length = message->message_length,
                                         .sum = message->message_sum};
    ssize_t const length = read_piece(original, 0, sizeof block);
    if (length < 0)
        return BOUNCE_READ_ERROR;
    bounce_header_look(&original->header, block, (size_t)length);
    if ((uint64_t)length == original->length)
        original->header.ended = true; /* a message that is all header */
    return BOUNCE_READ_OK;
}

/* What a look over lines found. */
struct lines {
    char const *boundary;
    size_t boundary_length;
    size_t column;    /* of the line at hand */
    size_t matched;   /* bytes of `--` and the boundary that it began with; SIZE_MAX: it did not */
    bool not_7bit;    /* a NUL, a CR, a byte above 127, or a line too long (RFC 2045 2.7) */
    bool is_boundary; /* a line begins with it */
    uint64_t encoded; /* bytes as quoted-printable, a little too many rather than too few */
};

static void look_at_line_start(struct lines *lines, char byte)
{
    if (lines->matched == SIZE_MAX)
        return;
    char const expected = lines->matched < 2 ? '-' : lines->boundary[lines->matched - 2];
    lines->matched = byte == expected ? lines->matched + 1 : SIZE_MAX;
    if (lines->matched == lines->boundary_length + 2) {
        lines->is_boundary = true;
        lines->matched = SIZE_MAX;
    }
}

static void look_at_lines(struct lines *lines, char const *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char const byte = (unsigned char)bytes[i];
        if (byte == '\n') {
            lines->column = lines->matched = 0;
            lines->encoded += 3; /* with a blank before it that is encoded */
            continue;
        }
        look_at_line_start(lines, bytes[i]);
        if (!byte || byte == '\r' || byte > 127 || ++lines->column > LINE_MAX_7BIT)
            lines->not_7bit = true;
        lines->encoded += (byte < ' ' && byte != '\t') || byte > '~' || byte == '=' ? 3 : 1;
    }
}

static void lines_start(struct lines *lines, char const *boundary)
{
    *lines = (struct lines){.boundary = boundary, .boundary_length = strlen(boundary)};
}

/* Looks over the whole message. *intact: it fits its checksum. */
static bool look_at_whole(struct bounce_original const *original, struct lines *lines, bool *intact)
{
    struct checksum sum;
    checksum_start(&sum);
    for (uint64_t done = 0; done < original->length;) {
        ssize_t const length = read_piece(original, done, sizeof block);
        if (length < 0)
            return false;
        checksum_add(&sum, block, (size_t)length);
        look_at_lines(lines, block, (size_t)length);
        done += (uint64_t)length;
    }
    *intact = checksum_end(&sum) == original->sum;
    return true;
}

enum header_bytes { HEADER_ASCII, HEADER_UTF8, HEADER_OTHER };

static enum header_bytes look_at_header(char const *bytes, size_t length)
{
    enum header_bytes found = HEADER_ASCII;
    for (size_t i = 0; i < length;) {
        size_t const size = (unsigned char)bytes[i] < 0x80 ? 1 : utf8_next(bytes + i, length - i);
        if (size == 0)
            return HEADER_OTHER;
        if (size > 1)
            found = HEADER_UTF8;
        i += size;
    }
    return found;
}

/* The header alone: as much of it as fits, in whole lines where it has lines. */
static enum bounce_read plan_header(struct bounce_original *original, char const *boundary)
{
    struct lines lines;
    size_t length = original->header.length;
    if (length > BOUNCE_ORIGINAL_HEADER || !original->header.ended) {
        if (length > BOUNCE_ORIGINAL_HEADER)
            length = BOUNCE_ORIGINAL_HEADER;
        original->cut = true;
    }
    if (read_piece(original, 0, length) < 0)
        return BOUNCE_READ_ERROR;
    if (original->cut) {
        char const *const end = memrchr(block, '\n', length);
        length = end ? (size_t)(end + 1 - block) : length;
    }
    lines_start(&lines, boundary);
    look_at_lines(&lines, block, length);
    original->returned = length;
    original->encoded = lines.not_7bit;
    original->form = look_at_header(block, length) == HEADER_UTF8 ? BOUNCE_FORM_GLOBAL_HEADERS
                                                                  : BOUNCE_FORM_HEADERS;
    return !lines.not_7bit && lines.is_boundary ? BOUNCE_READ_BOUNDARY : BOUNCE_READ_OK;
}

enum bounce_read bounce_original_plan(struct bounce_original *original, uint64_t max_bytes,
                                      char const *boundary)
{
    struct lines lines;
    bool intact;
    original->form = BOUNCE_FORM_NONE;
    original->encoded = original->cut = false;
    original->returned = 0;
    if (original->length > max_bytes || !original->header.ended)
        return plan_header(original, boundary);
    lines_start(&lines, boundary);
    if (!look_at_whole(original, &lines, &intact))
        return BOUNCE_READ_ERROR;
    if (!intact)
        return BOUNCE_READ_OK;
    if (lines.not_7bit) {
        if (read_piece(original, 0, original->header.length) < 0)
            return BOUNCE_READ_ERROR;
        /* message/global is UTF-8 by its definition, at least in the header. */
        if (lines.encoded > max_bytes ||
            look_at_header(block, original->header.length) == HEADER_OTHER)
            return plan_header(original, boundary);
    } else if (lines.is_boundary) {
        return BOUNCE_READ_BOUNDARY;
    }
    original->form = lines.not_7bit ? BOUNCE_FORM_GLOBAL : BOUNCE_FORM_MESSAGE;
    original->encoded = lines.not_7bit;
    original->returned = original->length;
    return BOUNCE_READ_OK;
}

char const *bounce_original_fields(struct bounce_original const *original)
{
#define ENCODED "Content-Transfer-Encoding: quoted-printable\n"
    switch (original->form) {
    case BOUNCE_FORM_MESSAGE:
        return "Content-Type: message/rfc822\n";
    case BOUNCE_FORM_GLOBAL:
        return "Content-Type: message/global\n" ENCODED;
    case BOUNCE_FORM_HEADERS:
        return original->encoded ? "Content-Type: text/rfc822-headers\n" ENCODED
                                 : "Content-Type: text/rfc822-headers\n";
    case BOUNCE_FORM_GLOBAL_HEADERS:
        return "Content-Type: message/global-headers\n" ENCODED;
    case BOUNCE_FORM_NONE:
        break;
    }
    return "";
#undef ENCODED
}

bool bounce_original_write(struct bounce_original const *original, struct bounce_writer *writer)
{
    char last = '\n';
    bounce_writer_encode(writer, original->encoded);
    for (uint64_t done = 0; done < original->returned;) {
        uint64_t const left = original->returned - done;
        ssize_t const length =
            read_piece(original, done, left < sizeof block ? (size_t)left : sizeof block);
        if (length < 0)
            return false;
        bounce_put(writer, block, (size_t)length);
        last = block[length - 1];
        done += (uint64_t)length;
    }
    if (last != '\n')
        bounce_puts(writer, "\n");
    bounce_writer_encode(writer, false);
    return true;
}
