/* What the control folder tells the scheduler. */
#ifndef EKIDEN_SEND_SETTINGS_H
#define EKIDEN_SEND_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/control.h"
#include "lib/routing.h"

struct send_settings {
    uint64_t lifetime;      /* `queuelifetime`, seconds, default a week; then a message fails */
    uint64_t messages;      /* `concurrencyqueue`, default 200: messages tried at the same time */
    uint64_t local;         /* `concurrencylocal`, default 100: local deliveries at the same time */
    struct routing routing; /* owned */
    bool loaded;
};

/* Loads everything anew. On CONTROL_ERROR *settings is untouched: the last good ones stay. */
enum control_result send_settings_load(struct send_settings *settings,
                                       struct control const *control, struct control_error *error);
void send_settings_free(struct send_settings *settings);

#endif
