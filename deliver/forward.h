/* An alias: its mail goes on to other addresses, as a new message in the queue (lib/aliases.h). */
#ifndef EKIDEN_FORWARD_H
#define EKIDEN_FORWARD_H

#include "deliver/failure.h"
#include "deliver/job.h"
#include "deliver/message_copy.h"
#include "lib/control.h"
#include "queue/inject_client.h"

#define FORWARD_TARGETS_MAX       10000 /* of one alias, its included files counted in (K17) */
#define FORWARD_REST_MILLISECONDS 60000

struct forward {
    struct control const *control; /* where :include: files lie; NULL: none are read */
    char const *socket;            /* path of the injector's socket */
    int milliseconds;              /* patience with it, as in inject_client_open */
    long long rest_until;          /* after it was stuck, on the monotonic clock; 0 at first */
    struct inject_client client;
};

/* Hands JOB's message (JOB_ALIAS; read from MESSAGE by pread) on to all targets at once, with a
 * Delivered-To field for the alias, from which loops are known. FAILURE says how it went: on
 * JOB_DELIVERED or another of its kinds the new message is durable in the queue, and the text has
 * its id. COPY is room for the work. After an injector that did not answer in time, aliases are
 * deferred at once for FORWARD_REST_MILLISECONDS: mailboxes of the same batch wait for one of them,
 * not for each. */
void forward_alias(struct forward *forward, struct message_copy *copy, struct job const *job,
                   int message, struct failure *failure);

#endif
