/* Senders that stand for one of each recipient's own, in qmail's form: what is queued from
 * `list-owner-@host-@[]` leaves for user@domain from `list-owner-user=domain@host`, so that a
 * bounce tells whose it is. One message for all of them: either all are queued or none is. */
#ifndef EKIDEN_VERP_H
#define EKIDEN_VERP_H

#include <stdbool.h>

#include "queue/envelope.h"

#define VERP_TAIL "-@[]"
#define VERP_SIZE (ENVELOPE_ADDRESS_MAX + 1)

/* True for a sender of this form. (`x-@[]` is none, as in qmail: it has no host.) */
bool verp_is(char const *sender);

/* The sender for RECIPIENT: SENDER itself where it is not of this form, else made in OUT. For a
 * recipient without a domain, or where the address would be longer than ENVELOPE_ADDRESS_MAX, it is
 * that of verp_owner: a bounce reaches the list still. */
char const *verp_sender(char out[VERP_SIZE], char const *sender, char const *recipient);

/* To whom a report about several recipients goes: `list-owner-@host`, made in OUT; SENDER itself
 * where it is not of this form. */
char const *verp_owner(char out[VERP_SIZE], char const *sender);

#endif
