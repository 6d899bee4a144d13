/* Dates of messages. */
#ifndef EKIDEN_DATE_H
#define EKIDEN_DATE_H

#include <stddef.h>
#include <time.h>

/* Room for a date with its NUL. */
#define DATE_SIZE 64

/* Writes WHEN as RFC 5322 3.3 wants it, in UTC: `Sun, 22 Nov 2026 05:08:18 +0000`. Own arithmetic,
 * because gmtime opens the time zone database, which the dialogue's empty root does not have.
 * Returns the length; WHEN before 1970 or after 9999 is taken as 1970. */
size_t date_format(char date[static DATE_SIZE], time_t when);

#endif
