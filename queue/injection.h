/* How a session hands messages to an injector: packets on a socket pair, one after the other.
 *
 * A packet of the session is a byte of INJECTION_ bits and a piece of the stream: the envelope
 * (form of envelope.h), directly followed by the message (LF line ends). The first packet of a
 * message has INJECTION_OPEN, the last INJECTION_COMMIT or INJECTION_ABORT; a small message is two
 * packets, and can be one.
 *
 * The injector says `N` and an id, when it is ready and after an abort: the id of the next message,
 * ahead of need, so that `Received` can name it without waiting. A commit it answers with `S`, one
 * byte of enum queue_status, and the id of the next message. Nothing else is answered: the first
 * failure is reported at the commit. The end of the socket before a commit discards the message. */
#ifndef EKIDEN_INJECTION_H
#define EKIDEN_INJECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/packet.h"
#include "queue/queue_file.h"

enum injection_bits {
    INJECTION_OPEN = 1,
    INJECTION_COMMIT = 2,
    INJECTION_ABORT = 4,
    INJECTION_8BIT = 8, /* with OPEN: 8BITMIME, SMTPUTF8 */
    INJECTION_UTF8 = 16
};
enum injection_answer { INJECTION_NEXT = 'N', INJECTION_STATUS = 'S' };

/* The injector's side: serves one session until the end of SOCKET, then returns the exit code (0).
 * FOLDER is queue/new, WAKE the FIFO (or -1). Everything that SOCKET says is checked: a partner
 * that breaks the protocol ends the session. */
int injector_serve(int socket, int folder, int wake);

#endif
