/* How a dialogue, which can start nothing, asks the keeper to start a helper program.
 *
 * The dialogue sends one packet on the request socket: a letter, for some kinds with bytes behind
 * it, with one end of a packet pair. The keeper starts the helper under the helper's own user and
 * answers on that end:
 *   `+` with the helper's channels as descriptors, or `-` when it could not be started;
 *   later `x` and one byte: the exit code (111 when a signal ended it), then closes.
 * The dialogue closes its end to say that it gave up: the keeper kills the helper then. */
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
    HELPER_JUDGE = 'J',    /* ekiden-judge; a packet socket, its fd 0: judge/question.h */
    HELPER_SPF = 'S'       /* ekiden-spf; a stream socket, its fd 0 */
};

#endif
