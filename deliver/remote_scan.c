#include "deliver/remote_scan.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "lib/checksum.h"

#define PIECE (64u << 10)

/* Where the reading is. */
struct place {
    bool after_cr; /* an LF that follows belongs to it */
    bool in_line;  /* the current line has a byte */
    bool in_body;
};

/* True when a byte above 127 is among them: eight at a time, for most mail has none. */
static bool has_8bit(char const *bytes, size_t length)
{
    unsigned char tail = 0;
    uint64_t all = 0, eight;
    for (; length >= sizeof eight; length -= sizeof eight, bytes += sizeof eight) {
        memcpy(&eight, bytes, sizeof eight);
        all |= eight;
    }
    while (length)
        tail |= (unsigned char)bytes[--length];
    return all & UINT64_C(0x8080808080808080) || tail & 0x80;
}

/* Bytes of one line, without its end. */
static void look_at_line(struct remote_message *message, struct place *place, char const *bytes,
                         size_t length)
{
    message->wire_length += length;
    place->in_line = true;
    place->after_cr = false;
    if (has_8bit(bytes, length))
        *(place->in_body ? &message->body_8bit : &message->header_8bit) = true;
}

static void look_at_end(struct remote_message *message, struct place *place, char byte)
{
    bool const second = place->after_cr && byte == '\n';
    place->after_cr = byte == '\r';
    if (second)
        return;
    message->wire_length += 2;
    if (!place->in_line)
        place->in_body = true;
    place->in_line = false;
}

static void look_at(struct remote_message *message, struct place *place, char const *bytes,
                    size_t length)
{
    char const *const end = bytes + length, *next = bytes, *lf = NULL;
    while (next < end) {
        if (!lf || lf < next) { /* once a line, not once a CR: there may be thousands in a line */
            lf = memchr(next, '\n', (size_t)(end - next));
            lf = lf ? lf : end;
        }
        char const *const cr = memchr(next, '\r', (size_t)(lf - next));
        size_t const plain = (size_t)((cr ? cr : lf) - next);
        if (plain > 0)
            look_at_line(message, place, next, plain);
        else
            look_at_end(message, place, *next);
        next += plain > 0 ? plain : 1;
    }
}

enum remote_scan remote_scan_message(struct remote_message *message)
{
    char bytes[PIECE];
    struct checksum sum;
    struct place place = {.after_cr = false};
    message->body_8bit = message->header_8bit = false;
    message->wire_length = 0;
    checksum_start(&sum);
    for (uint64_t done = 0; done < message->length;) {
        uint64_t const left = message->length - done;
        ssize_t const got =
            pread(message->descriptor, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes,
                  (off_t)(message->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return REMOTE_SCAN_ERROR;
        if (got == 0)
            return REMOTE_SCAN_CORRUPT;
        done += (uint64_t)got;
        checksum_add(&sum, bytes, (size_t)got);
        look_at(message, &place, bytes, (size_t)got);
    }
    if (place.in_line)
        message->wire_length += 2; /* the last line gets its end */
    return checksum_end(&sum) == message->sum ? REMOTE_SCAN_OK : REMOTE_SCAN_CORRUPT;
}
