/* ekiden-send's state, passed to each of its modules. Nothing here is a global. */
#ifndef EKIDEN_SEND_H
#define EKIDEN_SEND_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/control.h"
#include "lib/control_watch.h"
#include "queue/send_active.h"
#include "queue/send_agent.h"
#include "queue/send_backlog.h"
#include "queue/send_control.h"
#include "queue/send_count.h"
#include "queue/send_destinations.h"
#include "queue/send_jobs.h"
#include "queue/send_schedule.h"
#include "queue/send_settings.h"
#include "queue/send_source.h"
#include "queue/send_tidy.h"

struct send {
    int queue;   /* descriptor of the queue folder */
    int reasons; /* queue/reasons.h; -1: none */
    struct control control;
    struct send_settings settings;
    uint64_t settings_serial; /* counts the loads */
    struct send_source source;
    struct send_count count;
    struct send_tidy tidy;
    struct send_active active;
    struct send_jobs jobs;
    struct send_transactions transactions;
    struct send_destinations destinations;
    uint64_t dispatched_at;    /* when places were handed out last, before the first was */
    uint64_t destinations_key; /* random: smtproutes_sum */
    struct send_backlog backlog;
    struct send_backlog_queue behind_local; /* wait for local places */
    struct send_backlog_queue unsorted;     /* their destinations may be others now */
    struct send_agent agents[SEND_AGENTS_MAX];
    unsigned int agent_count;
    pid_t tls; /* tls/tls_holder.h; 0: TLS is not installed, or it has ended */
    struct send_control control_socket;
    struct control_watch watch; /* of the control folder; without one SIGHUP does it */
    bool stopping;
    int exit_code;
};

#endif
