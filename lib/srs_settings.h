/* Control files `srs` (keys, one a line) and `srsdomain`: lib/srs.h.
 *
 * Who knows a key can have mail relayed to every address. So nobody but who needs the file may be
 * able to read it: its owner, and a group where the file is another user's (root's, with the
 * scheduler's group, since both root and the scheduler read it). What does not keep to that counts
 * as refused: a line in the log says so, and what needs a key is put off until it is mended. */
#ifndef EKIDEN_SRS_SETTINGS_H
#define EKIDEN_SRS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/control.h"
#include "lib/srs.h"

struct srs_settings {
    char *bytes; /* owned: the keys */
    size_t size;
    char *domain; /* owned: `srsdomain`, default: me */
    bool refused; /* the file cannot be used, and the log says why */
};

/* Loads both. ME is the default of srsdomain. A malformed file is CONTROL_ERROR; then *settings is
 * untouched. */
enum control_result srs_settings_load(struct srs_settings *settings, struct control const *control,
                                      char const *me, struct control_error *error);
/* Wipes and frees. */
void srs_settings_free(struct srs_settings *settings);

/* True where forwards are rewritten, or would be if the file could be used. */
bool srs_is_on(struct srs_settings const *settings);

struct srs_keys srs_settings_keys(struct srs_settings const *settings);

#endif
