/* The session's side of queueing: one message after the other into an injector session, or into
 * another qmail-queue program that the keeper starts for each. */
#ifndef EKIDEN_SUBMIT_H
#define EKIDEN_SUBMIT_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/stralloc.h>

#include "queue/queue_file.h"
#include "smtpd/connection.h"

#define SUBMIT_TEXT_MAX 256

struct submit {
    struct connection const *connection;
    int session;           /* socket to the injector, -1: none yet */
    int message, envelope; /* another queue program: its fd 0 and fd 1 */
    int custom;            /* its fd 6 */
    int exited;            /* where the keeper reports its exit code */
    bool open;
    bool failed;                  /* a write failed: submit_commit reports */
    stralloc pending_envelope;    /* another queue program gets it after the message */
    char id[QUEUE_ID_LENGTH + 1]; /* of the message being made; empty when not known */
    char next[QUEUE_ID_LENGTH + 1];
    char text[SUBMIT_TEXT_MAX + 1]; /* after submit_commit gave QUEUE_CUSTOM: D or Z and the text */
};

void submit_start(struct submit *submit, struct connection const *connection);

/* Asks for the injector session ahead of need, so that it is ready at DATA. Never waits. */
void submit_prepare(struct submit *submit);

/* Opens a message; then the envelope in pieces, then the message in pieces. A failure shows at
 * commit. After submit_open, submit->id names the message (empty for another queue program). */
void submit_open(struct submit *submit, bool body_8bit, bool smtputf8);
void submit_envelope(struct submit *submit, char const *bytes, size_t length);
void submit_message(struct submit *submit, char const *bytes, size_t length);

/* Waits until the message is durable. Only QUEUE_OK allows a 250. */
enum queue_status submit_commit(struct submit *submit);

/* Discards the message. */
void submit_abort(struct submit *submit);

/* Ends the injector session. */
void submit_end(struct submit *submit);

#endif
