#include "deliver/mbox_quote.h"

#include <string.h>

static char const from[] = "From ";
#define FROM_LENGTH (sizeof from - 1)

void mbox_quote_start(struct mbox_quote *quote)
{
    *quote = (struct mbox_quote){.at_start = true};
}

/* The line turned out not to be `From `: what was held goes out. */
static size_t let_go(struct mbox_quote *quote, char *out)
{
    size_t const held = quote->matched;
    memcpy(out, from, held);
    quote->matched = 0;
    quote->at_start = false;
    return held;
}

/* One byte while the line may still be `From `. A `>` passes at once: one more of them makes the
 * same line wherever in their row it stands. */
static size_t pass_at_start(struct mbox_quote *quote, char byte, char *out)
{
    size_t used = 0;
    if (byte == '>' && !quote->matched) {
        out[used++] = byte;
        return used;
    }
    if (byte == from[quote->matched]) {
        if (++quote->matched == FROM_LENGTH) {
            out[used++] = '>';
            used += let_go(quote, out + used);
        }
        return used;
    }
    used = let_go(quote, out);
    out[used++] = byte;
    quote->at_start = byte == '\n';
    return used;
}

size_t mbox_quote_pass(struct mbox_quote *quote, char const *bytes, size_t length, char *out)
{
    size_t used = 0, done = 0;
    while (done < length) {
        if (quote->at_start) {
            used += pass_at_start(quote, bytes[done++], out + used);
            continue;
        }
        char const *const newline = memchr(bytes + done, '\n', length - done);
        size_t const taken = newline ? (size_t)(newline - bytes) + 1 - done : length - done;
        memcpy(out + used, bytes + done, taken);
        used += taken;
        done += taken;
        quote->at_start = newline != NULL;
    }
    if (length)
        quote->line_open = bytes[length - 1] != '\n';
    return used;
}

size_t mbox_quote_end(struct mbox_quote *quote, char *out)
{
    size_t used = let_go(quote, out);
    if (quote->line_open)
        out[used++] = '\n';
    out[used++] = '\n';
    return used;
}
