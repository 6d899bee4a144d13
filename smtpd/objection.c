#include "smtpd/objection.h"

#include <stddef.h>
#include <string.h>

static bool is_one_of(struct finding const *finding, char const *const *rules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(finding->rule, rules[i]))
            return true;
    return false;
}

bool objection_is(struct finding const *finding)
{
    return finding->verdict == FINDING_REFUSE || finding->verdict == FINDING_DEFER;
}

bool objection_counts(struct finding const *finding, bool allowed, bool postmaster)
{
    static char const *const not_when_allowed[] = {"dnsbl", "rhsbl", "greylist"};
    static char const *const not_for_postmaster[] = {"dnsbl", "rhsbl", "greylist", "spfbehavior",
                                                     "dnsdown"};
    return objection_is(finding) && !(allowed && is_one_of(finding, not_when_allowed, 3)) &&
           !(postmaster && is_one_of(finding, not_for_postmaster, 5));
}
