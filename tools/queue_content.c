#include "tools/queue_content.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/print.h"
#include "tools/queue_command.h"

static size_t read_piece(int descriptor, char *piece, size_t size, uint64_t offset)
{
    ssize_t got;
    do
        got = pread(descriptor, piece, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        queue_command_fail("the message cannot be read", got ? errno : 0);
    return (size_t)got;
}

/* Up to the empty line. True when that was found. */
static bool print_lines(char const *piece, size_t length, bool whole, bool *at_start)
{
    for (size_t at = 0; at < length;) {
        char const *const newline = memchr(piece + at, '\n', length - at);
        size_t const size = newline ? (size_t)(newline - piece) - at : length - at;
        if (newline && !size && *at_start && !whole)
            return true;
        print_text(piece + at, size);
        if (newline)
            print("\n");
        *at_start = newline != NULL;
        at += size + (newline != NULL);
    }
    return false;
}

void queue_content_print(int descriptor, struct queue_item const *item, bool whole)
{
    static char piece[QUEUE_BUFFER];
    struct queue_message const *const message = &item->message;
    struct checksum sum;
    bool at_start = true, ended = false;
    if (item->state == QUEUE_ITEM_BAD)
        return;
    print("\n");
    checksum_start(&sum);
    uint64_t const length = whole || message->message_length < QUEUE_CONTENT_HEADER
                                ? message->message_length
                                : QUEUE_CONTENT_HEADER;
    for (uint64_t done = 0, got; done < length && !ended; done += got) {
        size_t const room = length - done < sizeof piece ? (size_t)(length - done) : sizeof piece;
        got = read_piece(descriptor, piece, room, message->message_offset + done);
        checksum_add(&sum, piece, (size_t)got);
        ended = print_lines(piece, (size_t)got, whole, &at_start);
    }
    if (!at_start)
        print("\n");
    if (whole && checksum_end(&sum) != message->message_sum)
        queue_command_fail("the message is damaged: it does not fit its checksum", 0);
}
