/* The client's validated names: what its address is called by PTR, and what has that address. RFC
 * 7208 section 5.5. The mechanism ptr and the macro p ask for them; they are looked up once. */
#ifndef EKIDEN_SPF_VALIDATED_H
#define EKIDEN_SPF_VALIDATED_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/ip46.h>

#include "lib/dns.h"
#include "spf/spf_check.h"
#include "spf/spf_name.h"

struct spf_validated {
    bool known, is_void; /* asked already; the PTR look-up found nothing */
    size_t count;
    char names[SPF_NAMES][SPF_NAME_MAX + 1]; /* in lower case, in the order of the PTR records */
};

/* Looks the names of IP up, when that was not done yet. A failing DNS validates nothing, and is no
 * failure of the evaluation; more than SPF_NAMES names are not looked at (section 4.6.4). */
void spf_validated_find(struct spf_validated *validated, struct spf_check *check, ip46 const *ip);

/* The one that p stands for: DOMAIN itself, else one below it, else the first, else "unknown"
 * (section 7.3). DOMAIN is in presentation form, lower case. */
char const *spf_validated_choose(struct spf_validated const *validated, char const *domain);

/* True when one is DOMAIN or below it. */
bool spf_validated_match(struct spf_validated const *validated, char const *domain);

#endif
