/* `paused`: what the operator has stopped for now, a word a line: `local`, `remote` (deliveries)
 * and `intake` (new mail). `ekiden queue pause` and `resume` write it. */
#ifndef EKIDEN_PAUSED_H
#define EKIDEN_PAUSED_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/control.h"

#define PAUSED_FILE "paused"

enum paused_what { PAUSED_LOCAL, PAUSED_REMOTE, PAUSED_INTAKE, PAUSED_COUNT };

/* The words, in the order of enum paused_what. */
extern char const *const paused_words[PAUSED_COUNT];

/* The one that TEXT is, whatever its case. False: none. */
bool paused_find(enum paused_what *what, char const *text, size_t length);

/* Reads the file. Absent: nothing is paused. On CONTROL_ERROR *paused is untouched. */
enum control_result paused_load(bool paused[PAUSED_COUNT], struct control const *control,
                                struct control_error *error);

#endif
