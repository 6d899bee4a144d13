/* maildirsize, which belongs to a mailbox's owner, with any content; and quotas as they are typed.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/maildir_ledger.h"

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size);

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size)
{
    struct maildir_ledger ledger;
    struct maildir_limit limit, again;
    char text[MAILDIR_LIMIT_SIZE];
    char *const bytes = malloc(size ? size : 1); /* without a byte behind it */
    if (!bytes)
        return 0;
    if (size)
        memcpy(bytes, data, size);
    if (maildir_ledger_parse(bytes, size, &ledger)) {
        char change[MAILDIR_CHANGE_SIZE];
        assert(ledger.used.bytes >= 0 && ledger.used.messages >= 0);
        assert(maildir_change_format(change, &ledger.used) < sizeof change);
        (void)maildir_limit_allows(&ledger.limit, &ledger.used, &ledger.used);
    }
    if (maildir_limit_parse(bytes, size, &limit)) {
        maildir_limit_format(text, &limit);
        assert(maildir_limit_parse(text, strlen(text), &again));
        assert(again.bytes == limit.bytes && again.messages == limit.messages);
    }
    free(bytes);
    return 0;
}
