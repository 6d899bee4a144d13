/* Which findings stand against a message, and which of them count. */
#ifndef EKIDEN_OBJECTION_H
#define EKIDEN_OBJECTION_H

#include <stdbool.h>

#include "judge/finding.h"

/* It refuses or defers. */
bool objection_is(struct finding const *finding);

/* The same, and it counts: for a client that a list allows (ALLOWING is dnsbl) lists and
 * greylisting do not, for one that has only a name that a list allows (rhsbl) lists of names do
 * not, and NULL is nobody; with POSTMASTER, for mail to postmaster, SPF does not either, nor that
 * nobody could be asked (RFC 5321 4.5.1). */
bool objection_counts(struct finding const *finding, char const *allowing, bool postmaster);

#endif
