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

/* An address cannot be claimed; names of HELO and MAIL can, and speak for themselves only. */
static bool is_silenced(struct finding const *finding, char const *allowing)
{
    static char const *const by_address[] = {"dnsbl", "rhsbl", "greylist"};
    static char const *const by_name[] = {"rhsbl"};
    if (!allowing)
        return false;
    return strcmp(allowing, "dnsbl") ? is_one_of(finding, by_name, 1)
                                     : is_one_of(finding, by_address, 3);
}

bool objection_counts(struct finding const *finding, char const *allowing, bool postmaster)
{
    static char const *const not_for_postmaster[] = {"dnsbl", "rhsbl", "greylist", "spfbehavior",
                                                     "dnsdown"};
    return objection_is(finding) && !is_silenced(finding, allowing) &&
           !(postmaster && is_one_of(finding, not_for_postmaster, 5));
}
