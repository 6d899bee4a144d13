/* What the control folder tells ekiden-launch. */
#ifndef EKIDEN_LAUNCH_SETTINGS_H
#define EKIDEN_LAUNCH_SETTINGS_H

#include "lib/control.h"
#include "lib/control_watch.h"

#define LAUNCH_TIMEOUT_DEFAULT 300 /* seconds */
#define LAUNCH_TIMEOUT_MAX     86400

struct launch_settings {
    stralloc default_delivery; /* owned: `defaultdelivery`, NUL-terminated; default ./Maildir/ */
    uint64_t program_seconds;  /* `programtimeout` */
};

/* Loads both. On CONTROL_ERROR *settings is untouched: the last good ones stay. */
enum control_result launch_settings_load(struct launch_settings *settings,
                                         struct control const *control,
                                         struct control_error *error);
/* Loads both anew after a change, unless another one came meanwhile; what is wrong is logged. */
void launch_settings_reload(struct launch_settings *settings, struct control const *control,
                            struct control_watch *watch);
void launch_settings_free(struct launch_settings *settings);

#endif
