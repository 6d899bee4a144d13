/* One evaluation of RFC 7208's check_host(): what it is about, and the records that it has come to.
 */
#ifndef EKIDEN_SPF_EVALUATION_H
#define EKIDEN_SPF_EVALUATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dns.h"
#include "spf/spf_check.h"
#include "spf/spf_lint.h"
#include "spf/spf_macro.h"
#include "spf/spf_name.h"
#include "spf/spf_question.h"
#include "spf/spf_validated.h"

#define SPF_RECORDS_MAX (1 + SPF_LOOKUP_TERMS) /* each but the first is a term that asks */

struct spf_loaded {
    struct spf_name domain; /* whose record it is */
    struct spf_record record;
};

struct spf_evaluation {
    struct spf_question const *question;
    char const *receiver; /* r: our name */
    uint64_t now;         /* t: seconds since 1970 */
    struct spf_check check;
    struct spf_validated validated;
    struct spf_loaded
        *records[SPF_RECORDS_MAX]; /* owned, like their texts, until the process ends */
    size_t count;
    size_t explaining; /* number of the record whose exp counts: redirects replace it, includes do
                          not (section 6.2) */
    /* The addresses of the exchangers of the mx that is being evaluated; owned. */
    struct dns_answer hosts[SPF_NAMES];
    char host_names[SPF_NAMES][DNS_NAME_MAX];
    size_t host_count;
};

/* The address records that count for this client. */
enum dns_type spf_evaluation_address_type(struct spf_evaluation const *evaluation);

/* Writes the name that a domain-spec of record NUMBER stands for; the record's own domain when SPAN
 * is empty. */
enum spf_name_result spf_evaluation_name(struct spf_evaluation *evaluation, struct spf_name *name,
                                         size_t number, struct spf_span span);

/* What macros of record NUMBER stand for. With P, what the macro p does too, which asks the DNS. */
struct spf_macro_values spf_evaluation_values(struct spf_evaluation *evaluation, size_t number,
                                              bool p);

enum spf_load {
    SPF_LOAD_OK,
    SPF_LOAD_NONE,  /* the domain has no record */
    SPF_LOAD_FAILED /* the evaluation has failed: see evaluation->check */
};

/* Looks DOMAIN's record up and reads it: sections 4.4 to 4.6. *number is the record's then. */
enum spf_load spf_evaluation_load(struct spf_evaluation *evaluation, struct spf_name const *domain,
                                  size_t *number);

#endif
