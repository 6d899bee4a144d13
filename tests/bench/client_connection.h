/* A connection of the load client: what of SMTP and STARTTLS a client needs, blocking, one thread
 * each. Every connection has a deadline; a wait for the server ends by itself after as long a time.
 * What failed is one word, in `failure`, NULL until then; after it only connection_close is of use.
 */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct connection {
    int socket;
    SSL *tls;        /* NULL in the clear */
    double deadline; /* as seconds_now() */
    char const *failure;
    int code;          /* of the last reply */
    size_t start, end; /* what of `input` was not read yet */
    char input[4096];
};

/* Of CLOCK_MONOTONIC. */
double seconds_now(void);

/* Connects to SERVER and reads the greeting. LIMIT is in seconds. */
bool connection_open(struct connection *connection, struct sockaddr_in const *server, double limit);

/* Reads one reply of any number of lines, which must have CODE. */
bool connection_expect(struct connection *connection, int code);

/* Sends all of it. */
bool connection_send(struct connection *connection, void const *bytes, size_t length);

/* Sends COMMAND, which ends with CRLF, and reads a reply that must have CODE. */
bool connection_ask(struct connection *connection, char const *command, int code);

/* STARTTLS and the handshake, behind an EHLO. SESSION, where not NULL, is offered again. */
bool connection_start_tls(struct connection *connection, SSL_CTX *context, SSL_SESSION *session);

/* Frees all of it. Without a close_notify: the 221 was the end. */
void connection_close(struct connection *connection);

#endif
