/* check_host() of RFC 7208, by libspf2 behind a DNS layer of ours.
 *
 * libspf2 compiles and evaluates: the order of terms, qualifiers, networks, includes, redirects. It
 * is fenced in by what it is given (spf/spf_rewrite.h) and by what is made of its results: whatever
 * it cannot do is an error of the evaluation. */
#ifndef EKIDEN_SPF_EVALUATE_H
#define EKIDEN_SPF_EVALUATE_H

#include "spf/spf_evaluation.h"

/* Makes libspf2 ready. It reads the host's name: so before the sandbox. False: out of memory. */
bool spf_evaluate_prepare(void);

/* Answers the question of EVALUATION, of which the caller has set question, receiver, now, and of
 * check lookups, deadline and answer; the rest is zero. */
void spf_evaluate(struct spf_evaluation *evaluation);

#endif
