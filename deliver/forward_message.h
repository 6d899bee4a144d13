/* What every forward has in common: a new message on its way into the queue, in place of a job's.
 */
#ifndef EKIDEN_FORWARD_MESSAGE_H
#define EKIDEN_FORWARD_MESSAGE_H

#include "deliver/message_copy.h"
#include "queue/inject_client.h"

/* What of the sender's wishes for reports goes on (RFC 3461 5.2.7). */
enum forward_dsn {
    FORWARD_DSN_ALL,        /* one address in place of another: all of it */
    FORWARD_DSN_NO_SUCCESS, /* several: all but SUCCESS, or else as many reports would come */
    FORWARD_DSN_NONE        /* a list, with a sender of its own, who asked for nothing */
};

/* Begins the new message, with SENDER; then its recipients, each an address. */
void forward_begin(struct inject_client *client, struct job const *job, char const *sender,
                   enum forward_dsn dsn);
void forward_recipient(struct inject_client *client, struct job const *job, char const *address,
                       size_t length, enum forward_dsn dsn);

/* What JOB_DELIVERED is where all that a job had to do was such a forward. */
enum job_result forward_result(struct job const *job, enum forward_dsn dsn);

/* CLIENT has the envelope of a new message. Hands it JOB's message (read from MESSAGE by pread)
 * with a Delivered-To field for JOB's recipient, from which loops are known, and commits. FAILURE
 * says how it went: on JOB_DELIVERED the new message is durable in the queue, and the text has its
 * id. COPY is room for the work. What was not committed is discarded when CLIENT is closed. */
void forward_message(struct inject_client *client, struct message_copy *copy, struct job const *job,
                     int message, struct failure *failure);

#endif
