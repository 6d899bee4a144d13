/* Questions on their way, and answers that wait until they are taken: so a term's question can be
 * asked while an earlier term is still waiting for its own. */
#ifndef EKIDEN_SPF_LOOKUPS_H
#define EKIDEN_SPF_LOOKUPS_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/tai.h>

#include "lib/dns.h"
#include "lib/dns_batch.h"

#define SPF_LOOKUPS_MAX 24 /* ten of one term, and what was asked ahead */

struct spf_lookup {
    bool used;     /* this place is */
    bool claimed;  /* somebody waits for it */
    bool answered; /* ANSWER is there */
    enum dns_type type;
    char name[DNS_NAME_MAX];
    struct dns_answer answer;
};

struct spf_lookups {
    struct dns_batch batch;
    struct spf_lookup entries[SPF_LOOKUPS_MAX];
};

/* LOOKUPS is zero before. */
void spf_lookups_start(struct spf_lookups *lookups, struct dns_servers const *servers);

/* How many were asked ahead and are not taken. */
size_t spf_lookups_ahead(struct spf_lookups const *lookups);

/* Asks ahead, unless that is on its way already or there is no room. */
void spf_lookups_ask(struct spf_lookups *lookups, struct dns_question const *question,
                     tain const *deadline);

/* As dns_ask, with the answers that were asked for ahead. */
void spf_lookups_take(struct spf_lookups *lookups, struct dns_question const *questions,
                      struct dns_answer *answers, size_t count, tain const *deadline);

#endif
