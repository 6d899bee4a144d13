/* The process of a delivery, from its fork to its end: one transaction, and others of the same way
 * as long as their server keeps its connection. It is the only one that meets another host's bytes,
 * and so the one that is not believed (remote_child.h). */
#ifndef EKIDEN_REMOTE_PROCESS_H
#define EKIDEN_REMOTE_PROCESS_H

#include <sys/types.h>

#include "deliver/remote_job.h"
#include "deliver/remote_refusals.h"
#include "deliver/remote_settings.h"

#define REMOTE_PROCESS_PACKET_MAX (64u << 10) /* bytes of a job */

/* Its letters to the master, beside the answers of deliver/job.h: */
#define REMOTE_PROCESS_LOGIN 'L' /* and a digit: the login of that way of the route was refused */
#define REMOTE_PROCESS_IDLE  'I' /* ready for a job; may stand before the last answer */
#define REMOTE_PROCESS_ENDS  'E' /* of no more use than a new one: let me go */

struct remote_process {
    struct remote_job const *job; /* the first one */
    int message;                  /* its queue file */
    int socket;                   /* packets to and from the master */
    int tls_service;              /* -1: there is none */
    struct remote_settings *settings;
    struct remote_refusals const *refusals;
    pid_t master;
};

/* Called in the new process. Never returns. */
_Noreturn void remote_process_run(struct remote_process const *process);

#endif
