#include "spf/spf_answer.h"

#include <string.h>

static char const *const words[] = {
    [SPF_NONE] = "none",           [SPF_NEUTRAL] = "neutral",   [SPF_PASS] = "pass",
    [SPF_FAIL] = "fail",           [SPF_SOFTFAIL] = "softfail", [SPF_TEMPERROR] = "temperror",
    [SPF_PERMERROR] = "permerror",
};
#define WORDS (sizeof words / sizeof *words)

char const *spf_result_word(enum spf_result result)
{
    return words[result];
}

static bool is_printable(char byte)
{
    return byte >= ' ' && byte <= '~';
}

void spf_answer_append(char *out, size_t size, char const *text, size_t length)
{
    size_t used = strlen(out);
    for (size_t i = 0; i < length && used + 1 < size; i++)
        out[used++] = is_printable(text[i]) ? text[i] : '?';
    out[used] = 0;
}

static size_t put(char *bytes, char const *text)
{
    size_t const length = strlen(text) + 1;
    memcpy(bytes, text, length);
    return length;
}

size_t spf_answer_format(char bytes[SPF_ANSWER_MAX], struct spf_answer const *answer)
{
    size_t length = put(bytes, words[answer->result]);
    length += put(bytes + length, answer->explanation);
    length += put(bytes + length, answer->problem);
    return length + put(bytes + length, answer->trail);
}

struct rest {
    char const *bytes;
    size_t length;
};

/* Takes one text into OUT of SIZE bytes. */
static bool take(char *out, size_t size, struct rest *rest)
{
    char const *const end = rest->length ? memchr(rest->bytes, 0, rest->length) : NULL;
    if (!end || (size_t)(end - rest->bytes) >= size)
        return false;
    for (char const *byte = rest->bytes; byte < end; byte++)
        if (!is_printable(*byte))
            return false;
    size_t const length = (size_t)(end - rest->bytes) + 1;
    memcpy(out, rest->bytes, length);
    rest->bytes += length;
    rest->length -= length;
    return true;
}

bool spf_answer_parse(struct spf_answer *answer, char const *bytes, size_t length)
{
    struct rest rest = {bytes, length};
    char word[16];
    if (!take(word, sizeof word, &rest) ||
        !take(answer->explanation, sizeof answer->explanation, &rest) ||
        !take(answer->problem, sizeof answer->problem, &rest) ||
        !take(answer->trail, sizeof answer->trail, &rest) || rest.length != 0)
        return false;
    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(words[i], word) == 0) {
            answer->result = (enum spf_result)i;
            return true;
        }
    return false;
}
