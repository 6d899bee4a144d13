/* What the processes of ekiden-smtpd and ekiden-tls share: signals that get through only while
 * waiting, and children that do not outlive their parent. */
#ifndef EKIDEN_PROCESS_H
#define EKIDEN_PROCESS_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Blocks SIGTERM, SIGINT, SIGHUP and SIGCHLD and notes them when they get through, which is while a
 * ppoll with one of the masks below waits. SIGPIPE and SIGXFSZ are ignored. Inherited by fork. */
void process_catch_signals(void);

sigset_t const *process_waiting(void); /* all get through: keeper and templates */
sigset_t const *
process_waiting_for_client(void);               /* all but SIGCHLD: a dialogue before its client */
sigset_t const *process_waiting_for_stop(void); /* only SIGTERM does: a dialogue with its client */

/* ppoll with process_waiting, for one who starts children at request: while it is BUSY, which is
 * what the last call returned, SIGCHLD does not wake it, and TIMEOUT is a moment. It reaps after
 * each call that was BUSY or noted SIGCHLD. So a busy template is woken once a child, and not
 * twice. */
bool process_wait_for_requests(struct pollfd *polls, nfds_t count, struct timespec const *timeout,
                               bool busy);

/* Becomes true with SIGTERM or SIGINT, for good. */
volatile sig_atomic_t const *process_stop(void);
/* SIGHUP, SIGCHLD since the last question. */
bool process_take_hangup(void);
bool process_take_child(void);

/* Forks. The child gets NAME (at most 15 bytes, as `ps` shows it) and its own empty set of noted
 * signals. -1: logged. */
pid_t process_fork(char const *name);

/* SIGTERM comes when the parent dies. Called after the change of user, which would undo it. PARENT
 * is who the parent must be; when it has died already, the process ends. */
void process_end_with(pid_t parent);

/* Children by pid, each with a number of its parent's choice. */
struct children {
    struct child {
        pid_t pid;
        int number;
    } * entries; /* owned */
    size_t count, space;
};

/* Makes room for one more child before the fork, so that no child can be lost. False: out of
 * memory. */
bool children_reserve(struct children *children);
void children_add(struct children *children, pid_t pid, int number);
/* These two with process_fork between them, for children without a number. -1: logged. */
pid_t children_fork(struct children *children, char const *name);
/* Sends NUMBER, a signal, to each. */
void children_signal(struct children const *children, int number);
/* Waits for one that has ended, without blocking. *status is its wait status. False: none. A child
 * that a signal ended is logged. */
bool children_reap(struct children *children, struct child *ended, int *status);

#endif
