/* Who may try a password now: failures are counted for each address (IPv6: each /64) and each user,
 * they delay, and then refuse for a while.
 *
 * A try is counted before the password is looked at, and the count is taken back when it was right:
 * a client that hangs up, so that this process is killed, has failed; and tries at the same time do
 * not all see the count of before. Counts run off with time, one failure after a minute or two.
 *
 * The pair of a user and an address from which this user has succeeded within 30 days is known. It
 * passes by both counts, so that nobody else's failures lock the user out there. Its own failures
 * are counted for themselves: too many are let through one a second, and never refused for longer.
 */
#ifndef EKIDEN_GATE_H
#define EKIDEN_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/remembered.h"

#define GATE_FAILURES 20 /* default of authfailures */
#define GATE_DELAY    8  /* default of authdelay, in seconds */

struct gate {
    struct store *store;
    uint64_t failures;  /* of an address until it is refused; 0: nothing is counted */
    unsigned int delay; /* milliseconds: none is longer */
    unsigned char address[8];
    size_t address_length; /* 0: it is not known */
    char const *user;
    bool is_known;       /* as gate_enter found it */
    char const *limited; /* after GATE_REFUSED: whose failures were too many, for the log */
};

/* FAILURES and SECONDS are the settings authfailures and authdelay. TEXT is the client's address,
 * or NULL; USER the login name, or what was typed in its place, and stays the caller's. */
void gate_start(struct gate *gate, struct store *store, uint64_t failures, uint64_t seconds,
                char const *text, char const *user);

enum gate_verdict {
    GATE_PASS,    /* after the delay; end with gate_leave */
    GATE_AGAIN,   /* over the limit, perhaps because of others that are not done: look again after
                     the delay */
    GATE_REFUSED, /* *delay is how long for */
    GATE_FAILED   /* the store: logged */
};

/* Counts a try at the time NOW. *delay: milliseconds. LAST: who is over the limit now is refused.
 */
enum gate_verdict gate_enter(struct gate *gate, uint64_t now, bool last, unsigned int *delay);

enum gate_outcome {
    GATE_RIGHT,
    GATE_UNDECIDED /* the check itself failed: it was no failure of the client's */
};

/* After GATE_PASS, unless the password was wrong. False: the store has failed, logged. */
bool gate_leave(struct gate *gate, uint64_t now, enum gate_outcome outcome);

#endif
