/* Durations in control files: a number of seconds, or one with s, m, h or d behind it. */
#ifndef EKIDEN_DURATION_H
#define EKIDEN_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DURATION_MAX UINT64_C(315360000) /* seconds; ten years */

/* Seconds of the unit LETTER; 0: there is none. */
uint64_t duration_unit(char letter);

/* Reads TEXT, all of it. False: it is something else, or longer than DURATION_MAX. */
bool duration_parse(char const *text, size_t length, uint64_t *seconds);

#endif
