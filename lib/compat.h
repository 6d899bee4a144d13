/* What differs between skalibs versions, in one place.
 *
 * Ekiden is written for skalibs 2.13 (Debian 12). strerr2.h is gone in 2.15, timed_get_g is broken
 * in 2.13: neither is used. Later versions declare the same names for what we use. */
#ifndef EKIDEN_COMPAT_H
#define EKIDEN_COMPAT_H

#include <skalibs/strerr.h>
#include <skalibs/tai.h>

/* skalibs macros such as tain_addsec_g expand to calls that take int seconds. */
#define COMPAT_SECONDS_MAX 0x7fffffff

#endif
