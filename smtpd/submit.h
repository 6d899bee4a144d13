/* The session's side of queueing: one message after the other into an injector session, or into
 * another qmail-queue program that the keeper starts for each. */
#ifndef EKIDEN_SUBMIT_H
#define EKIDEN_SUBMIT_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/stralloc.h>

#include "lib/packet.h"
#include "queue/queue_file.h"
#include "smtpd/connection.h"

#define SUBMIT_TEXT_MAX 256

struct submit;

/* One way of queueing: submit_injector.c, submit_program.c. What the functions of submit do is
 * described below. */
struct submit_way {
    void (*prepare)(struct submit *submit);
    void (*open)(struct submit *submit, bool body_8bit, bool smtputf8);
    void (*envelope)(struct submit *submit, char const *bytes, size_t length);
    void (*message)(struct submit *submit, char const *bytes, size_t length);
    void (*flush)(struct submit *submit);
    enum queue_status (*commit)(struct submit *submit);
    void (*abort)(struct submit *submit);
    void (*end)(struct submit *submit);
};
extern struct submit_way const submit_injector, submit_program;

struct submit {
    struct connection const *connection;
    struct submit_way const *way;
    bool open;
    bool failed;                    /* a write failed: submit_commit reports */
    char id[QUEUE_ID_LENGTH + 1];   /* of the message being made; empty when not known */
    char text[SUBMIT_TEXT_MAX + 1]; /* after submit_commit gave QUEUE_CUSTOM: D or Z and the text */
    struct {
        int message, envelope; /* its fd 0 and fd 1 */
        int custom;            /* its fd 6 */
        int exited;            /* where the keeper reports its exit code */
        stralloc pending;      /* the envelope: it gets that after the message */
    } program;
    struct {
        int session;                    /* the socket to it, -1: none yet */
        char next[QUEUE_ID_LENGTH + 1]; /* the id of the next message; empty: not heard yet */
        unsigned char bits;             /* for the next packet */
        size_t gathered;
        char gather[PACKET_DATA_MAX]; /* pieces that wait for a packet; touched only as far as used
                                       */
    } injector;
};

/* Also decides the way: another program where settings name one, else our injector. */
void submit_start(struct submit *submit, struct connection const *connection);

/* Does it know of RFC 3461's records in the envelope? Another queue program does not. */
bool submit_keeps_dsn(struct submit const *submit);

/* Asks for the injector session ahead of need, so that it is ready at DATA. Never waits. */
void submit_prepare(struct submit *submit);

/* Opens a message; then the envelope in pieces, then the message in pieces. A failure shows at
 * commit. After submit_open, submit->id names the message (empty for another queue program). */
void submit_open(struct submit *submit, bool body_8bit, bool smtputf8);
void submit_envelope(struct submit *submit, char const *bytes, size_t length);
void submit_message(struct submit *submit, char const *bytes, size_t length);

/* Small pieces are gathered; this sends them on. Called before a wait for the client, so that the
 * injector works meanwhile. */
void submit_flush(struct submit *submit);

/* Waits until the message is durable. Only QUEUE_OK allows a 250, and QUEUE_UNKNOWN no answer. */
enum queue_status submit_commit(struct submit *submit);

/* Discards the message. */
void submit_abort(struct submit *submit);

/* Ends the injector session. */
void submit_end(struct submit *submit);

#endif
