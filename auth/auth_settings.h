/* The control files of ekiden-auth. */
#ifndef EKIDEN_AUTH_SETTINGS_H
#define EKIDEN_AUTH_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "lib/control.h"

struct auth_settings {
    stralloc program;              /* authprogram, with a NUL; empty: our own check */
    uint64_t failures, delay;      /* authfailures, authdelay in seconds */
    uint64_t messages, recipients; /* loginmessages, loginrecipients */
    uint64_t timeout;              /* timeoutauth in seconds: how long who has asked waits */
};

/* False: ERROR says what is wrong. */
bool auth_settings_load(struct auth_settings *settings, struct control const *control,
                        struct control_error *error);

#endif
