/* What the domain says to those whom it refuses: exp, RFC 7208 section 6.2. */
#ifndef EKIDEN_SPF_EXPLAIN_H
#define EKIDEN_SPF_EXPLAIN_H

#include "spf/spf_evaluation.h"

/* Writes the explanation into the evaluation's answer; whatever is wrong with it leaves that empty,
 * and is not a failure. */
void spf_explain(struct spf_evaluation *evaluation);

#endif
