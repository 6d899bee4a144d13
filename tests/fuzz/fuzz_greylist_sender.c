/* Senders of strangers: what is made of them is no longer than they are, in lower case, and of the
 * same domain. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "judge/greylist_sender.h"

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size);

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size)
{
    char out[GREYLIST_SENDER_MAX + 1];
    char *const sender = strndup((char const *)data, size);
    if (!sender)
        return 0;
    greylist_sender(out, sender);
    size_t const length = strlen(out);
    assert(length <= strlen(sender) && length <= GREYLIST_SENDER_MAX);
    for (size_t i = 0; i < length; i++)
        assert(out[i] < 'A' || out[i] > 'Z');
    char const *const domain = strrchr(sender, '@');
    if (domain && strlen(sender) <= GREYLIST_SENDER_MAX) {
        char const *const same = strrchr(out, '@');
        assert(same && !strcasecmp(same, domain));
    }
    free(sender);
    return 0;
}
