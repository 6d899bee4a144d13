/* Hands messages to ekiden-queue over its unix socket: the client of queue/injection.h for programs
 * without privilege (ekiden-inject, sendmail, forwards). */
#ifndef EKIDEN_INJECT_CLIENT_H
#define EKIDEN_INJECT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/packet.h"
#include "queue/queue_file.h"

#define INJECT_CLIENT_GATHER (16u << 10)
/* The patience of a person's program, and of an agent, behind which others' mail waits. */
#define INJECT_CLIENT_MILLISECONDS       300000
#define INJECT_CLIENT_AGENT_MILLISECONDS 30000

struct inject_client {
    int socket;               /* -1: none */
    int milliseconds;         /* for each wait */
    enum queue_status status; /* of the message at hand: QUEUE_OK, or the first failure */
    bool in_message;          /* the envelope is over */
    unsigned int bits;
    size_t gathered;
    char id[QUEUE_ID_LENGTH + 1];   /* of the message at hand, or of the last one */
    char next[QUEUE_ID_LENGTH + 1]; /* empty: not known */
    char gather[INJECT_CLIENT_GATHER];
};

/* The path of the socket: GIVEN, when it is not 0; else EKIDEN_INJECT from the environment; else
 * the configured one. */
char const *inject_client_path(char const *given);

/* Connects to the socket PATH and waits until a message would be taken; where this user has too
 * many connections it tries again, for half a minute. No wait of *client, here or later, lasts
 * longer than MILLISECONDS; after one that does the connection is lost. False: client->status says
 * why (inject_client_explain), and errno more of it when it is not 0; *client is closed. */
bool inject_client_open(struct inject_client *client, char const *path, int milliseconds);

/* One message: begin, at least one recipient, then the message's bytes (LF line ends), then commit
 * or abort. SENDER and addresses are unquoted, as in the envelope. The first failure is kept until
 * the next message begins: only commit must be looked at. When the connection is lost (socket is
 * -1), each further message fails with QUEUE_NETWORK. */
void inject_client_begin(struct inject_client *client, char const *sender, size_t length,
                         bool body_8bit, bool smtputf8);
/* After begin: the message is one that was in the queue, and goes on to others. */
void inject_client_forwarded(struct inject_client *client);
/* What RFC 3461 asks for: of the message behind begin, of a recipient behind him. What was not
 * given stays away. */
void inject_client_dsn(struct inject_client *client, struct dsn_message const *dsn);
void inject_client_dsn_recipient(struct inject_client *client, struct dsn_recipient const *dsn);
void inject_client_recipient(struct inject_client *client, char const *address, size_t length);
void inject_client_message(struct inject_client *client, char const *bytes, size_t length);

/* The same for who has the envelope in the form of queue/envelope.h: open_message, then envelope
 * and message as one stream. */
void inject_client_open_message(struct inject_client *client, bool body_8bit, bool smtputf8);
void inject_client_stream(struct inject_client *client, char const *bytes, size_t length);

/* Only QUEUE_OK means that the message is durable; client->id is its id then. Another message may
 * follow. */
enum queue_status inject_client_commit(struct inject_client *client);
void inject_client_abort(struct inject_client *client);
void inject_client_close(struct inject_client *client);

/* Between messages: asks for the list of the queue and calls SHOW for each packet of it
 * (queue/queue_list.h). QUEUE_REFUSED: not for this user. */
typedef void inject_client_list_func(void *context, char const *packet, size_t length);
enum queue_status inject_client_list(struct inject_client *client, inject_client_list_func *show,
                                     void *context);

/* A sentence with an enhanced code for a status: "4.3.1 the queue's disk is full or failing". */
char const *inject_client_explain(enum queue_status status);
/* True for what will not go away by itself. */
bool inject_client_is_permanent(enum queue_status status);

#endif
