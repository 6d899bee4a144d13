/* The control files `dnsbl` and `rhsbl`: which lists are asked. */
#ifndef EKIDEN_DNSBL_LISTS_H
#define EKIDEN_DNSBL_LISTS_H

#include "judge/dnsbl_line.h"
#include "lib/control.h"

#define DNSBL_LISTS_MAX 16 /* each has a finding in one answer: QUESTION_FINDINGS_MAX */

struct dnsbl_lists {
    size_t count;
    struct dnsbl lists[DNSBL_LISTS_MAX];
};

/* Loads NAME. DOMAINS as for dnsbl_line_parse. On CONTROL_ABSENT there is none, on CONTROL_ERROR
 * *lists is as before. */
enum control_result dnsbl_lists_load(struct dnsbl_lists *lists, struct control const *control,
                                     char const *name, bool domains, struct control_error *error);

#endif
