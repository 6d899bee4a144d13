/* How a session hands messages to an injector: packets on a socket pair, one after the other.
 *
 * session → injector             injector → session
 *                                N id           the id of the next message, sent ahead so that
 *                                               `Received` can name it without waiting
 * O flags                        (opens a message; flags: INJECTION_8BIT, INJECTION_UTF8)
 * E bytes                        (pieces of the envelope, form of envelope.h)
 * M bytes                        (pieces of the message, LF line ends)
 * C                              S status id-of-the-next  (commit; status is enum queue_status)
 * A                              N id           (abort; the next message has another id)
 *
 * O, E and M are not answered: the first failure is reported at C. The end of the socket before C
 * discards the message. */
#ifndef EKIDEN_INJECTION_H
#define EKIDEN_INJECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/packet.h"
#include "queue/queue_file.h"

enum injection_kind {
    INJECTION_OPEN = 'O',
    INJECTION_ENVELOPE = 'E',
    INJECTION_MESSAGE = 'M',
    INJECTION_COMMIT = 'C',
    INJECTION_ABORT = 'A',
    INJECTION_NEXT = 'N',
    INJECTION_STATUS = 'S'
};
enum { INJECTION_8BIT = 1, INJECTION_UTF8 = 2 };

/* The injector's side: serves one session until the end of SOCKET, then returns the exit code (0).
 * FOLDER is queue/new, WAKE the FIFO (or -1). Everything that SOCKET says is checked: a partner
 * that breaks the protocol ends the session. */
int injector_serve(int socket, int folder, int wake);

#endif
