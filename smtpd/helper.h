/* How a dialogue, which can start nothing, asks the keeper to start a helper program.
 *
 * The dialogue sends one packet on the request socket: a letter, with one end of a packet pair.
 * The keeper starts the helper under the helper's own user and answers on that end:
 *   `+` with the helper's pipe ends as descriptors, or `-` when it could not be started;
 *   later `x` and one byte: the exit code (111 when a signal ended it), then closes.
 * The dialogue closes its end to say that it gave up: the keeper kills the helper then. */
#ifndef EKIDEN_HELPER_H
#define EKIDEN_HELPER_H

enum helper_kind {
    HELPER_INJECTOR = 'I', /* the pair's end itself becomes the injector's session socket */
    HELPER_QUEUE = 'Q'     /* settings.queueprogram; pipe ends: its fd 0, fd 1 (to write), fd 6 (to
                              read) */
};

#endif
