#include "deliver/remote_scan.h"

#include <errno.h>
#include <unistd.h>

#include "lib/checksum.h"

#define PIECE (64u << 10)

/* Where the reading is. */
struct place {
    bool after_cr; /* an LF that follows belongs to it */
    bool in_line;  /* the current line has a byte */
    bool in_body;
};

static void look_at(struct remote_message *message, struct place *place, char const *bytes,
                    size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char const byte = (unsigned char)bytes[i];
        bool const second = place->after_cr && byte == '\n';
        place->after_cr = byte == '\r';
        if (second)
            continue;
        if (byte == '\n' || byte == '\r') {
            message->wire_length += 2;
            if (!place->in_line)
                place->in_body = true;
            place->in_line = false;
            continue;
        }
        message->wire_length++;
        place->in_line = true;
        if (byte > 127 && place->in_body)
            message->body_8bit = true;
        else if (byte > 127)
            message->header_8bit = true;
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
