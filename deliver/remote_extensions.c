#include "deliver/remote_extensions.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

typedef void take(struct remote_extensions *extensions, char const *parameter);

/* A limit that is not a number, or beyond all numbers, is none. */
static void take_size(struct remote_extensions *extensions, char const *parameter)
{
    uint64_t limit = 0;
    extensions->size = true;
    extensions->size_max = 0;
    for (; *parameter >= '0' && *parameter <= '9'; parameter++) {
        unsigned int const digit = (unsigned int)(*parameter - '0');
        if (limit > (UINT64_MAX - digit) / 10)
            return;
        limit = 10 * limit + digit;
    }
    if (!*parameter || *parameter == ' ')
        extensions->size_max = limit;
}

static void take_pipelining(struct remote_extensions *extensions, char const *parameter)
{
    (void)parameter;
    extensions->pipelining = true;
}

static void take_chunking(struct remote_extensions *extensions, char const *parameter)
{
    (void)parameter;
    extensions->chunking = true;
}

static void take_8bitmime(struct remote_extensions *extensions, char const *parameter)
{
    (void)parameter;
    extensions->eight_bit_mime = true;
}

static void take_smtputf8(struct remote_extensions *extensions, char const *parameter)
{
    (void)parameter;
    extensions->smtputf8 = true;
}

static void take_starttls(struct remote_extensions *extensions, char const *parameter)
{
    (void)parameter;
    extensions->starttls = true;
}

static void take_dsn(struct remote_extensions *extensions, char const *parameter)
{
    (void)parameter;
    extensions->dsn = true;
}

static bool is_word(char const *text, size_t length, char const *word)
{
    return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

/* A server may have a line of each form, with other mechanisms. */
static void take_auth(struct remote_extensions *extensions, char const *parameter)
{
    extensions->auth = true;
    while (*parameter) {
        size_t const length = strcspn(parameter, " ");
        extensions->auth_plain |= is_word(parameter, length, "PLAIN");
        extensions->auth_login |= is_word(parameter, length, "LOGIN");
        parameter += length + strspn(parameter + length, " ");
    }
}

static struct {
    char const *keyword;
    char const *separators; /* what may follow it, beside the end */
    take *take;
} const known[] = {
    {"SIZE", " ", take_size},             /* RFC 1870 */
    {"PIPELINING", " ", take_pipelining}, /* RFC 2920 */
    {"CHUNKING", " ", take_chunking},     /* RFC 3030 */
    {"8BITMIME", " ", take_8bitmime},     /* RFC 6152 */
    {"SMTPUTF8", " ", take_smtputf8},     /* RFC 6531 */
    {"STARTTLS", " ", take_starttls},     /* RFC 3207 */
    {"DSN", " ", take_dsn},               /* RFC 3461 */
    {"AUTH", " =", take_auth},            /* RFC 4954 */
};

void remote_extensions_clear(struct remote_extensions *extensions)
{
    *extensions = (struct remote_extensions){.size = false};
}

void remote_extensions_add(struct remote_extensions *extensions, char const *line)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char const *const separators = known[i].separators;
        size_t const length = strcspn(line, separators);
        if (is_word(line, length, known[i].keyword))
            known[i].take(extensions, line + length + strspn(line + length, separators));
    }
}
