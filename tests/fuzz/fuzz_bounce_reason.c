/* What others said: taken apart it lies inside the text, and shown it is printable and bounded. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bounce_reason.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void check_shown(char const *text, size_t length, size_t maximum, bool utf8)
{
    stralloc out = STRALLOC_ZERO;
    if (!bounce_show(&out, text, length, maximum, utf8) || out.len > maximum)
        abort();
    for (size_t i = 0; i < out.len; i++)
        if ((unsigned char)out.s[i] < ' ' || out.s[i] == 0x7f)
            abort();
    if (!bounce_is_ascii(out.s, out.len) && (!utf8 || !bounce_is_utf8(out.s, out.len)))
        abort();
    stralloc_free(&out);
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    struct bounce_reason reason;
    if (length < 2)
        return 0;
    char *const text = strndup((char const *)bytes + 2, length - 2);
    if (!text)
        abort();
    size_t const text_length = strlen(text);
    check_shown(text, text_length, bytes[0], bytes[1] & 1);
    bounce_reason_parse(&reason, text, '5');
    if (strlen(reason.code) < 5 || !reason.words)
        abort();
    if (*reason.reply && (reason.reply < text || reason.reply > text + text_length))
        abort();
    if (reason.peer_length &&
        (reason.peer < text || reason.peer + reason.peer_length > reason.reply))
        abort();
    free(text);
    return 0;
}
