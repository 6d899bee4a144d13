/* What the control folder tells the scheduler. */
#ifndef EKIDEN_SEND_SETTINGS_H
#define EKIDEN_SEND_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/batv_settings.h"
#include "lib/control.h"
#include "lib/paused.h"
#include "lib/routing.h"
#include "lib/srs_settings.h"
#include "lib/table.h"
#include "queue/queue_room.h"

struct send_settings {
    uint64_t lifetime;      /* `queuelifetime`, seconds, default a week; then a message fails */
    uint64_t delay_warning; /* `delaywarning`, seconds, default 4 hours: the sender is told then */
    uint64_t messages;      /* `concurrencyqueue`, default 60 more than the following two together:
                               messages tried at the same time, those aside that only wait for a place */
    uint64_t local;  /* `concurrencylocal`, default 100: deliveries to this machine's users */
    uint64_t remote; /* `concurrencyremote`, default 40: transactions with other servers */
    struct queue_limits room;  /* with a maxqueue the messages are counted; intake keeps to it */
    bool paused[PAUSED_COUNT]; /* `paused`: the lanes in which nothing is handed out */
    struct routing routing;    /* owned */
    struct table routes;       /* owned: lib/smtproutes.h */
    struct table limits;       /* owned: queue/send_limits.h */
    struct srs_settings srs;   /* owned: what forwarded mail is sent as */
    struct batv_settings batv; /* owned: how our users' senders are signed */
    bool loaded;
};

/* Loads everything anew. On CONTROL_ERROR *settings is untouched: the last good ones stay. */
enum control_result send_settings_load(struct send_settings *settings,
                                       struct control const *control, struct control_error *error);
void send_settings_free(struct send_settings *settings);

#endif
