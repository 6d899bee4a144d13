/* `tlspolicy`: how much TLS a delivery to another server asks for, by next hop: the domain when it
 * is found by MX, else the relay's host name.
 *
 *   DOMAIN:LEVEL[=NAME]    for DOMAIN itself
 *   .DOMAIN:LEVEL[=NAME]   for all below DOMAIN
 *   :LEVEL                 for all others
 * LEVEL is `none` (no TLS), `may` (when the server offers it; else in the clear), `encrypt` (any
 * certificate) or `verify` (a certificate for the server's name, or for NAME, that a trusted
 * authority vouches for). */
#ifndef EKIDEN_TLSPOLICY_H
#define EKIDEN_TLSPOLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/control.h"
#include "lib/table.h"

#define TLSPOLICY_NAME_SIZE 254 /* with NUL */

/* From least to most. */
enum tlspolicy_level {
    TLSPOLICY_UNSET, /* nothing was said */
    TLSPOLICY_NONE,
    TLSPOLICY_MAY,
    TLSPOLICY_ENCRYPT,
    TLSPOLICY_VERIFY
};
struct tlspolicy {
    enum tlspolicy_level level;
    char name[TLSPOLICY_NAME_SIZE]; /* NUL-terminated, lower case; empty unless TLSPOLICY_VERIFY */
};

/* Parses `LEVEL[=NAME]`. False when it is not of the form. */
bool tlspolicy_parse(struct tlspolicy *policy, char const *text, size_t length);

/* `unset`, `none`, `may`, `encrypt`, `verify`. */
char const *tlspolicy_level_text(enum tlspolicy_level level);
/* The inverse; false for any other text. */
bool tlspolicy_level_scan(enum tlspolicy_level *level, char const *text, size_t length);

/* As table_load. */
enum control_result tlspolicy_load(struct table *table, struct control const *control,
                                   struct control_error *error);

/* What is said of the next hop HOST (any case) or of one of its parents, the longer before the
 * shorter; TLSPOLICY_UNSET when nothing is. */
void tlspolicy_find(struct tlspolicy *policy, struct table const *table, char const *host);
/* What is said of all others; TLSPOLICY_UNSET when nothing is. */
void tlspolicy_find_default(struct tlspolicy *policy, struct table const *table);

#endif
