#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/address.h"
#include "lib/tlspolicy.h"

static char const *const levels[] = {[TLSPOLICY_UNSET] = "unset",
                                     [TLSPOLICY_NONE] = "none",
                                     [TLSPOLICY_MAY] = "may",
                                     [TLSPOLICY_ENCRYPT] = "encrypt",
                                     [TLSPOLICY_VERIFY] = "verify"};

char const *tlspolicy_level_text(enum tlspolicy_level level)
{
    return levels[level];
}

bool tlspolicy_level_scan(enum tlspolicy_level *level, char const *text, size_t length)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strlen(levels[i]) == length && !memcmp(levels[i], text, length)) {
            *level = (enum tlspolicy_level)i;
            return true;
        }
    return false;
}

bool tlspolicy_parse(struct tlspolicy *policy, char const *text, size_t length)
{
    char const *const sign = length ? memchr(text, '=', length) : NULL;
    size_t const level = sign ? (size_t)(sign - text) : length;
    policy->name[0] = 0;
    if (!level || !tlspolicy_level_scan(&policy->level, text, level) ||
        policy->level == TLSPOLICY_UNSET)
        return false;
    if (!sign)
        return true;
    size_t const name = length - level - 1;
    /* Certificates have A-labels. */
    if (policy->level != TLSPOLICY_VERIFY || name >= sizeof policy->name ||
        !address_is_domain(sign + 1, name, false))
        return false;
    memcpy(policy->name, sign + 1, name);
    policy->name[name] = 0;
    case_lowers(policy->name);
    return true;
}
