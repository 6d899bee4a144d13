/* What stands behind the key of an entry in `smtproutes`: HOST[:PORT][,HOST2[:PORT2]] [OPTION...]
 */
#ifndef EKIDEN_SMTPROUTES_PARSE_H
#define EKIDEN_SMTPROUTES_PARSE_H

#include <stddef.h>

#include "lib/smtproutes.h"

/* Parses the LENGTH bytes of TEXT. By MX the name of the only host is left empty. Returns NULL, or
 * what is wrong and what to write instead; *route is of no use then. */
char const *smtproutes_parse(struct smtproute *route, char const *text, size_t length);

#endif
