/* Hands messages to ekiden-queue over its unix socket: the client of queue/injection.h for programs
 * without privilege (ekiden-inject, sendmail, forwards). */
#ifndef EKIDEN_INJECT_CLIENT_H
#define EKIDEN_INJECT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/packet.h"
#include "queue/queue_file.h"

#define INJECT_CLIENT_GATHER       (16u << 10)
#define INJECT_CLIENT_MILLISECONDS 300000 /* for each wait */

struct inject_client {
    int socket;               /* -1: none */
    enum queue_status status; /* QUEUE_OK, or the first failure: all further calls keep it */
    unsigned int bits;
    size_t gathered;
    char id[QUEUE_ID_LENGTH + 1]; /* of the message at hand */
    char gather[INJECT_CLIENT_GATHER];
};

/* Connects to the socket PATH. False: errno, said for the operator by inject_client_explain. */
bool inject_client_open(struct inject_client *client, char const *path);

/* One message: begin, at least one recipient, then the message's bytes (LF line ends), then commit.
 * SENDER and addresses are unquoted, as in the envelope. */
void inject_client_begin(struct inject_client *client, char const *sender, size_t length,
                         bool body_8bit, bool smtputf8);
void inject_client_recipient(struct inject_client *client, char const *address, size_t length);
void inject_client_message(struct inject_client *client, char const *bytes, size_t length);

/* Only QUEUE_OK means that the message is durable; client->id is its id then. Another message may
 * follow. */
enum queue_status inject_client_commit(struct inject_client *client);
void inject_client_abort(struct inject_client *client);
void inject_client_close(struct inject_client *client);

/* A sentence with an enhanced code for a status: "4.3.1 the queue's disk is full". */
char const *inject_client_explain(enum queue_status status);
/* True for what will not go away by itself. */
bool inject_client_is_permanent(enum queue_status status);

#endif
