/* How a program that has a connection asks for TLS on it: ekiden-smtpd's dialogues as server,
 * ekiden-remote's deliveries as client.
 *
 * The service, `ekiden-tls`, reads requests from a SOCK_SEQPACKET socket (lib/packet.h) that its
 * askers inherit, and forks an engine for each. A request is one packet of text fields, each ended
 * by NUL, with four descriptors:
 *
 *   server:  `S` NUL SECONDS NUL
 *   client:  `C` NUL SECONDS NUL LEVEL NUL NAME NUL
 *   descriptors: the connection's input and its output (which may be one socket twice), the
 * engine's end of a stream socket pair for the plain bytes, the engine's end of a packet pair for
 * answers
 *
 * SECONDS (1 to 3600) is the time for the handshake. LEVEL is `encrypt` (any certificate) or
 * `verify`; NAME is the server's name, for SNI and, with `verify`, for its certificate; empty: no
 * SNI, and never with `verify`.
 *
 * On the packet pair the engine answers, each one packet of text fields:
 *
 *   `R` NUL                                          ready: a key and a certificate are there
 *   `H` NUL VERSION NUL SUITE NUL NAME NUL TRUST NUL  the handshake is over: plain bytes may flow
 *   `F` NUL REASON NUL                               it failed; the engine ends
 *
 * After `R` the engine waits for one packet `G` before it touches the connection: so a server can
 * say 220 in the clear first. VERSION is `TLSv1.2`; SUITE an OpenSSL-style name, like
 * `ECDHE-ECDSA-AES128-GCM-SHA256`; NAME what the client asked for by SNI (server; else empty);
 * TRUST is `verified` or `unverified` (client; for a server it means nothing). After `F`, and when
 * either side closes, all is over: the engine closes the plain socket, so that a read from it sees
 * the end.
 *
 * The asker closes its own copy of the connection after `G` was sent, and never touches it again:
 * the end of TLS is the end of the connection. Who closes the plain socket asks for close_notify:
 * the engine sends what it still has, within a few seconds. */
#ifndef EKIDEN_TLS_REQUEST_H
#define EKIDEN_TLS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define TLS_REQUEST_DESCRIPTORS 4
#define TLS_REQUEST_MAX         512 /* bytes of a packet, request or answer */
#define TLS_NAME_MAX            253 /* octets of a DNS name */
#define TLS_REASON_MAX          200
#define TLS_SECONDS_MAX         3600

enum tls_role { TLS_SERVER = 'S', TLS_CLIENT = 'C' };
enum tls_level { TLS_ENCRYPT, TLS_VERIFY };

struct tls_request {
    enum tls_role role;
    unsigned int seconds;
    enum tls_level level;        /* client only */
    char name[TLS_NAME_MAX + 1]; /* client only; may be empty unless TLS_VERIFY */
};

enum tls_answer_kind { TLS_READY = 'R', TLS_HANDSHAKE = 'H', TLS_FAILED = 'F' };

struct tls_answer {
    enum tls_answer_kind kind;
    /* TLS_HANDSHAKE */
    char version[16], suite[64], name[TLS_NAME_MAX + 1];
    bool verified;
    /* TLS_FAILED: printable ASCII */
    char reason[TLS_REASON_MAX + 1];
};

/* The asker's ends. */
struct tls_link {
    int plain;   /* stream, blocking, close-on-exec */
    int answers; /* packets */
};

/* --- the asker --- */

/* Sends REQUEST for the connection IN, OUT (which stay open here) to the SERVICE socket. False:
 * errno; nothing stays open. The answers come later: poll link->answers. */
bool tls_request_send(struct tls_link *link, int service, struct tls_request const *request, int in,
                      int out);

enum tls_receive_result {
    TLS_RECEIVED, /* *answer */
    TLS_AGAIN,    /* a signal came: nothing was read */
    TLS_GONE      /* the engine ended without a word, or spoke nonsense */
};
/* Reads one answer; waits unless link->answers was polled readable. */
enum tls_receive_result tls_answer_receive(struct tls_link const *link, struct tls_answer *answer);

/* Lets the engine begin. False: errno; it is gone. */
bool tls_go(struct tls_link const *link);

/* Closes both ends. */
void tls_link_close(struct tls_link *link);

/* --- the engine --- */

/* Parses a request of LENGTH bytes. False when it is not of the form. */
bool tls_request_parse(struct tls_request *request, char const *bytes, size_t length);

/* Writes the packet of ANSWER into BYTES. Returns its length; what is too long or not printable is
 * cut or becomes `?`. */
size_t tls_answer_format(char bytes[TLS_REQUEST_MAX], struct tls_answer const *answer);

#endif
