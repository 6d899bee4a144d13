/* The agents: where their programs are, whom each runs as, and what it is told. */
#ifndef EKIDEN_SEND_START_H
#define EKIDEN_SEND_START_H

#include "lib/privilege.h"
#include "queue/send.h"

struct send_start {
    char const *control, *inject; /* paths */
    char const *programs;         /* folder; NULL: where this program lies, else LIBEXEC */
    unsigned int workers;         /* local agents */
    int mail;                     /* descriptor of the folder of the mailboxes */
    struct privilege_user local, remote, injector;
};

/* Starts all agents of SEND, each as its user, and the TLS service for ekiden-remote; SEND->queue
 * and SEND->control are open. Called as root, when the scheduler was started as root. False after
 * logging. */
bool send_start_agents(struct send *send, struct send_start const *start);

#endif
