/* How a dialogue, which can start nothing, asks the keeper to start a helper program.
 *
 * The dialogue sends one packet on the request socket: a letter, for some kinds with bytes behind
 * it, with one end of a packet pair. The keeper starts the helper under the helper's own user and
 * answers on that end:
 *   `+` with the helper's channels as descriptors, or `-` when it could not be started;
 *   later `x` and one byte: the exit code (111 when a signal ended it), then closes.
 * The dialogue closes its end to say that it gave up: the keeper kills the helper then.
 *
 * Those to whom a dialogue talks while it goes on with its client are *direct*: the end is of any
 * kind of socket pair, and becomes the helper's fd 0 itself. So nothing has to be awaited before
 * the first question. The keeper says nothing on it; the other end is at its end when the helper
 * has ended, or could not be started. */
#ifndef EKIDEN_HELPER_H
#define EKIDEN_HELPER_H

#define HELPER_ADDRESS_SIZE   17 /* 1 for IPv6, else 0; 16 bytes of address, IPv4 in the first 4 */
#define HELPER_REQUEST_MAX    (1 + HELPER_ADDRESS_SIZE)
#define HELPER_CHANNELS_MAX   3
#define HELPER_EXIT_TEMPORARY 111

enum helper_kind {
    HELPER_INJECTOR = 'I', /* the pair's end itself becomes the injector's session socket */
    HELPER_QUEUE = 'Q',    /* settings.queueprogram; pipe ends: its fd 0, fd 1 (to write), fd 6 (to
                              read) */
    HELPER_AUTH = 'A',     /* ekiden-auth, with the client's address (HELPER_ADDRESS_SIZE); a stream
                              socket: its fd 3 (to write, then to shut down) */
    HELPER_BUDGET = 'B',   /* ekiden-auth -b; a stream socket, as above */
    HELPER_JUDGE = 'J',    /* direct: ekiden-judge, on a packet socket (judge/question.h) */
    HELPER_SPF = 'S'       /* direct: ekiden-spf, on a stream socket */
};

#endif
