/* What a login may send as: its own addresses, and those that `authsenders` opens to it.
 *
 * A login's own are: the login itself where it is an address, else LOGIN@DOMAIN for each DOMAIN in
 * locals; and every address whose mail routing puts into the login's mailbox, extensions included.
 * An address whose mail goes into somebody else's mailbox is never its own. */
#ifndef EKIDEN_LOGIN_POLICY_H
#define EKIDEN_LOGIN_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "smtpd/policy.h"
#include "smtpd/settings.h"

/* May LOGIN (lower case, not empty) send as ADDRESS, LENGTH bytes, unquoted, with a domain? *line
 * is that of `authsenders` which gives the right; 0: the address is the login's own, or there is
 * none.
 */
bool login_policy_allows(struct settings const *settings, char const *login, char const *address,
                         size_t length, unsigned int *line);

/* May LOGIN write this value of a From field (what follows the colon, folded or not)? Each address
 * in it must be allowed, and there must be one: POLICY_WELCOME, POLICY_FROM_SYNTAX or
 * POLICY_FROM_FOREIGN. */
enum policy_rule login_policy_from(struct settings const *settings, char const *login,
                                   char const *value, size_t length);

#endif
