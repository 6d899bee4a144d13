/* Control files `srs` (keys, one a line: lib/secret_file.h) and `srsdomain`: lib/srs.h.
 *
 * Who knows a key can have mail relayed to every address. */
#ifndef EKIDEN_SRS_SETTINGS_H
#define EKIDEN_SRS_SETTINGS_H

#include "lib/control.h"
#include "lib/secret_file.h"
#include "lib/srs.h"

struct srs_settings {
    struct secret_file keys;
    char *domain; /* owned: `srsdomain`, default: me */
};

/* Loads both. ME is the default of srsdomain. A malformed file is CONTROL_ERROR; then *settings is
 * untouched. */
enum control_result srs_settings_load(struct srs_settings *settings, struct control const *control,
                                      char const *me, struct control_error *error);
/* Wipes and frees. */
void srs_settings_free(struct srs_settings *settings);

#endif
