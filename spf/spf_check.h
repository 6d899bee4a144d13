/* What one evaluation may cost, and what it did: look-ups with their limits and their trail.
 *
 * RFC 7208 section 4.6.4 counts over the whole question, includes and redirects too; libspf2 starts
 * anew in each include. The first failure stays: from then on nothing more is asked. */
#ifndef EKIDEN_SPF_CHECK_H
#define EKIDEN_SPF_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/tai.h>

#include "lib/dns.h"
#include "spf/spf_answer.h"
#include "spf/spf_lookups.h"

#define SPF_LOOKUP_TERMS 10 /* a, mx, ptr, exists, include, redirect */
#define SPF_VOIDS        2  /* of them, whose look-up found nothing */
#define SPF_NAMES        10 /* exchangers of an mx; names of a client */

enum spf_failure { SPF_FAILURE_NONE, SPF_FAILURE_TEMPORARY, SPF_FAILURE_PERMANENT };

struct spf_check {
    struct spf_lookups lookups;
    tain deadline; /* of all look-ups, by the clock of tain_now */
    unsigned int terms, voids;
    enum spf_failure failure;
    struct spf_answer *answer; /* the caller's: problem and trail are written here */
};

/* The evaluation fails with TEXT and, behind it, WHAT (may be NULL), unless it has failed before.
 */
void spf_check_fail(struct spf_check *check, enum spf_failure failure, char const *text,
                    char const *what);

/* One more term that asks. False: one too many, it has failed. */
bool spf_check_term(struct spf_check *check);

/* The look-up of a term found nothing. False: one too many, it has failed. */
bool spf_check_void(struct spf_check *check);

/* Asks COUNT (at most SPF_NAMES) questions at the same time and writes the trail of each, until the
 * deadline. Answers are as those of dns_ask, and must be freed. */
void spf_check_ask(struct spf_check *check, struct dns_question const *questions,
                   struct dns_answer *answers, size_t count);

/* Sends a question that spf_check_ask will ask when evaluation comes to a later term. All of these
 * and the terms that were evaluated are never more than SPF_LOOKUP_TERMS together. */
void spf_check_ask_ahead(struct spf_check *check, struct dns_question const *question);

/* Fails for an answer that is DNS_TEMPORARY. True: it is not. */
bool spf_check_answered(struct spf_check *check, struct dns_question const *question,
                        struct dns_answer const *answer);

/* True for an answer without records: no such name, or no data. */
bool spf_check_is_void(struct dns_answer const *answer);

#endif
