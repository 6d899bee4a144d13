/* How messages are handed to an injector: packets on a SOCK_SEQPACKET socket, one after the other.
 * The partner is a session of ekiden-smtpd on a socket pair, or a program of this machine's users
 * (a peer) that connected to ekiden-queue's socket.
 *
 * A packet of the partner is a byte of INJECTION_ bits and a piece of the stream: the envelope
 * (form of envelope.h), directly followed by the message (LF line ends). The first packet of a
 * message has INJECTION_OPEN, the last INJECTION_COMMIT or INJECTION_ABORT; a small message is one
 * packet.
 *
 * The injector says `N` and an id, when it is ready and after an abort: the id of the next message,
 * ahead of need, so that `Received` can name it without waiting. A commit it answers with `S`, one
 * byte of enum queue_status, and the id of the next message. Nothing else is answered: the first
 * failure is reported at the commit. The end of the socket before a commit discards the message.
 *
 * To a peer for whom there is no place it says `S` and a status, without an id, and closes.
 *
 * Between messages a peer may ask for the list of the queue: INJECTION_LIST alone. The answers are
 * packets of queue/queue_list.h, the last of which is `S` and a status, without an id. */
#ifndef EKIDEN_INJECTION_H
#define EKIDEN_INJECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/packet.h"
#include "queue/inject_peer.h"
#include "queue/queue_count.h"
#include "queue/queue_file.h"

enum injection_bits {
    INJECTION_OPEN = 1,
    INJECTION_COMMIT = 2,
    INJECTION_ABORT = 4,
    INJECTION_8BIT = 8, /* with OPEN: 8BITMIME, SMTPUTF8 */
    INJECTION_UTF8 = 16,
    INJECTION_LIST = 32,
    INJECTION_FORWARDED = 64 /* with OPEN: takes the place of a message that was in the queue */
};
enum injection_answer { INJECTION_NEXT = 'N', INJECTION_STATUS = 'S' };

/* The injector's side: serves one partner until the end of SOCKET, then returns the exit code: 0,
 * or 100 after one that broke the protocol or was silent for too long. May be called again. FOLDER
 * is queue/new, WAKE the FIFO (or -1), COUNT what counts the messages (or NULL). PEER is 0 for a
 * session of ours, which has done itself what is done for a peer: a Received field that names its
 * uid is put in front of the message, sizes, hops and budgets are bounded, deadlines hold, and
 * SIGTERM ends the process between messages. Everything that SOCKET says is checked: who breaks the
 * protocol is left. */
int injector_serve(int socket, int folder, int wake, struct queue_count *count,
                   struct inject_peer const *peer);

#endif
