/* qmail-remote's published interface: one message on descriptor 0, one report on descriptor 1. */
#ifndef EKIDEN_REMOTE_SINGLE_H
#define EKIDEN_REMOTE_SINGLE_H

#include "deliver/remote_settings.h"
#include "deliver/remote_way.h"

#define REMOTE_SINGLE_MESSAGE_MAX (1u << 30) /* bytes of a message that comes through a pipe */

/* Delivers the message on descriptor 0 to RECIPIENTS (ended by NULL, at least one) by WAYS and
 * writes the report of qmail-remote(8): for each recipient, in order, `r` (accepted), `h` or `s`
 * (failed, temporarily), then `K`, `D` or `Z` for the message; each with a text and NUL. */
void remote_single_run(struct remote_settings *settings, struct remote_ways const *ways,
                       int tls_service, char const *sender, char const *const *recipients);

/* Writes a report of one line, for what came before any delivery. LETTER is `Z` or `D`. */
void remote_single_report(char letter, char const *text);

#endif
