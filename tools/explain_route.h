/* Where the mail of an accepted recipient goes, in words. */
#ifndef EKIDEN_EXPLAIN_ROUTE_H
#define EKIDEN_EXPLAIN_ROUTE_H

#include <skalibs/stralloc.h>

#include "lib/control.h"
#include "smtpd/settings.h"

/* Writes it to the emptied TEXT: what lib/routing.h says of RECIPIENT, as in the envelope, and for
 * another server's what `smtproutes` says, for mail from SENDER. CONTROL_ERROR: that file cannot be
 * read, and ERROR says why. */
enum control_result explain_route(stralloc *text, struct control const *control,
                                  struct settings const *settings, stralloc const *recipient,
                                  char const *sender, struct control_error *error);

#endif
