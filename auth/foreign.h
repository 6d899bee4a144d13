/* Another checkpassword program in place of our own check.
 *
 * It is started from a process that was forked before this one closed its fence and read what a
 * stranger sent; that process waits for the word. */
#ifndef EKIDEN_FOREIGN_H
#define EKIDEN_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FOREIGN_WORDS  64
#define FOREIGN_OTHERS "/bin/true" /* what it is given to run */

struct foreign {
    pid_t process;
    int input; /* the other end of its descriptor 3 */
};

/* Forks the process that is going to execute LINE: its words, separated by blanks, then
 * FOREIGN_OTHERS, because checkpassword programs end by executing another one and do not go
 * without. LINE is taken apart. False after logging. */
bool foreign_prepare(struct foreign *foreign, char *line);

/* True when LINE, of LENGTH bytes, can be a command: its first word an absolute path, at most
 * FOREIGN_WORDS words. */
bool foreign_is_command(char const *line, size_t length);

/* Starts it with the LENGTH bytes at BYTES on its descriptor 3 (they fit into a pipe), and waits
 * for its end; the caller's deadline comes as a signal. Returns its exit code, 111 for a signal or
 * a failure, which is logged. */
int foreign_run(struct foreign *foreign, char const *bytes, size_t length);

/* Ends it and all that it has started. Safe in a handler of signals. */
void foreign_kill(struct foreign const *foreign);

#endif
