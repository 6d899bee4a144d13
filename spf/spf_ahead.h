/* What the next terms of a record will ask, asked while the one before them waits: a record whose
 * terms ask one after the other would make each sender wait for each of their round trips. */
#ifndef EKIDEN_SPF_AHEAD_H
#define EKIDEN_SPF_AHEAD_H

#include <stddef.h>

#include "spf/spf_evaluation.h"

/* Asks for the terms from FIRST on of record NUMBER, and its redirect, as far as the limits go. Not
 * before the first term that asks is reached, since most records have networks before it. */
void spf_ahead(struct spf_evaluation *evaluation, size_t number, size_t first);

#endif
