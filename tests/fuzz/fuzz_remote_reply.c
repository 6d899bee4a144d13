/* Replies of a hostile server: within bounds, whatever the pieces, and printable. The first byte is
 * the size of the pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/remote_extensions.h"
#include "deliver/remote_reply.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void check_printable(char const *text, size_t length, size_t most)
{
    check(length <= most && strlen(text) == length);
    for (size_t i = 0; i < length; i++)
        check(text[i] >= ' ' && text[i] <= '~');
}

/* Reads one reply. Returns how much was taken; *state is what it came to. */
static size_t run(struct remote_reply *reply, char const *bytes, size_t length, size_t piece,
                  enum remote_reply_state *state)
{
    struct remote_extensions extensions;
    size_t done = 0, used;
    remote_extensions_clear(&extensions);
    remote_reply_start(reply);
    *state = REMOTE_REPLY_MORE;
    while (done < length && *state != REMOTE_REPLY_DONE && *state != REMOTE_REPLY_BAD) {
        size_t const now = length - done < piece ? length - done : piece;
        char *const copy = malloc(now); /* exactly as long: a sanitizer sees a read beyond it */
        check(copy != 0);
        memcpy(copy, bytes + done, now);
        *state = remote_reply_take(reply, copy, now, &used);
        free(copy);
        check(used > 0 && used <= now && (*state != REMOTE_REPLY_MORE || used == now));
        done += used;
        check_printable(reply->text, reply->text_length, JOB_TEXT_MAX);
        check_printable(reply->line, reply->line_length, REMOTE_REPLY_KEPT_MAX);
        if (*state == REMOTE_REPLY_LINE || *state == REMOTE_REPLY_DONE)
            remote_extensions_add(&extensions, remote_reply_line_text(reply));
        check(extensions.auth || !(extensions.auth_plain || extensions.auth_login));
        check(extensions.size || !extensions.size_max);
    }
    return done;
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    struct remote_reply whole, pieces;
    enum remote_reply_state whole_state, pieces_state;
    if (length < 2)
        return 0;
    char const *const wire = (char const *)bytes + 1;
    size_t const piece = (size_t)bytes[0] % 64 + 1;
    size_t const used = run(&whole, wire, length - 1, length, &whole_state);
    size_t const used_in_pieces = run(&pieces, wire, length - 1, piece, &pieces_state);
    if (whole_state == REMOTE_REPLY_BAD) {
        check(pieces_state == REMOTE_REPLY_BAD);
        return 0;
    }
    check(used == used_in_pieces &&
          (whole_state == REMOTE_REPLY_DONE) == (pieces_state == REMOTE_REPLY_DONE));
    check(whole.code == pieces.code && strcmp(whole.text, pieces.text) == 0 &&
          strcmp(whole.enhanced, pieces.enhanced) == 0);
    if (whole_state == REMOTE_REPLY_DONE) {
        check(whole.code >= 200 && whole.code <= 599 && wire[used - 1] == '\n');
        check(!whole.enhanced[0] || whole.enhanced[0] - '0' == (int)(whole.code / 100));
    }
    return 0;
}
