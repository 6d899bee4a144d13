/* Sizes in control files: a number of bytes, with K, M, G or T behind it of 1024 times as many. */
#ifndef EKIDEN_CONTROL_SIZE_H
#define EKIDEN_CONTROL_SIZE_H

#include "lib/control.h"

/* Reads TEXT, all of it, digits and at most one letter of either case. False: it is something else,
 * or more than INT64_MAX. */
bool size_parse(char const *text, size_t length, uint64_t *bytes);

/* The first entry of NAME as a size; *value keeps what it had when the file is absent. */
enum control_result control_size(struct control const *control, char const *name, uint64_t *value,
                                 struct control_error *error);

#endif
