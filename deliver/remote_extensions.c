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

static struct {
    char const *keyword;
    take *take;
} const known[] = {
    {"SIZE", take_size},             /* RFC 1870 */
    {"PIPELINING", take_pipelining}, /* RFC 2920 */
    {"8BITMIME", take_8bitmime},     /* RFC 6152 */
    {"SMTPUTF8", take_smtputf8},     /* RFC 6531 */
};

void remote_extensions_clear(struct remote_extensions *extensions)
{
    *extensions = (struct remote_extensions){.size = false};
}

void remote_extensions_add(struct remote_extensions *extensions, char const *line)
{
    size_t const length = strcspn(line, " ");
    char const *const parameter = line + length + strspn(line + length, " ");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (length == strlen(known[i].keyword) && strncasecmp(line, known[i].keyword, length) == 0)
            known[i].take(extensions, parameter);
}
