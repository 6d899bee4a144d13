/* A person's name, as a header field may hold it. */
#ifndef EKIDEN_DISPLAY_NAME_H
#define EKIDEN_DISPLAY_NAME_H

#include <stdbool.h>

#include <skalibs/stralloc.h>

/* Appends NAME, any bytes: as a phrase, quoted where it has to be, or with COMMENT as what stands
 * in parentheses. Non-ASCII becomes encoded words (RFC 2047) when it is UTF-8; what no field may
 * hold becomes `?`. Dies (tools/problem.h) when out of memory. */
void display_name_add(stralloc *out, char const *name, bool comment);

#endif
