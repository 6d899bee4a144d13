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

/* Watches the control folder PATH with inotify. -1 with errno where that is not possible: SIGHUP
 * does it then. The descriptor is non-blocking and close-on-exec. */
int send_settings_watch(char const *path);

/* Reads what was noticed. True when a control file changed; compiled tables and files that begin
 * with a dot are none. */
bool send_settings_changed(int watch);

#endif
