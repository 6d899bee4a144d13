/* The message that the load client sends: always the same, made once for all clients. */
#ifndef CLIENT_MESSAGE_H
#define CLIENT_MESSAGE_H

#include <stdint.h>

#include "tests/bench/client_connection.h"

struct message {
    unsigned long recipients;
    char *envelope; /* MAIL, RCPT, DATA */
    size_t envelope_length;
    char *block;           /* whole lines */
    uint64_t blocks, rest; /* how often it is sent whole, and how much of it behind them */
    char end[256];         /* the last line, and the dot */
    size_t end_length;
};

/* SIZE bytes, 100 at least, to TO; with more RECIPIENTS than one to NAME0@DOMAIN, NAME1@DOMAIN ...
 * False when that cannot be. What is allocated stays. */
bool message_make(struct message *message, uint64_t size, char const *to, unsigned long recipients);

/* The whole transaction, up to the 250. */
bool message_send(struct message const *message, struct connection *connection);

#endif
