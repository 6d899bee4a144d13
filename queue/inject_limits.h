/* What each user of this machine may hand in: connections at once, messages and recipients an hour.
 * Shared between the listener and the processes of its connections.
 *
 * An account's rest is a budget of lib/budget.h: one whose time has come is worth nothing, and the
 * account can be somebody else's. */
#ifndef EKIDEN_INJECT_LIMITS_H
#define EKIDEN_INJECT_LIMITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define INJECT_ACCOUNTS    1024 /* users whose budgets are known at once */
#define INJECT_CONNECTIONS 200  /* at once, of all */
#define INJECT_PER_USER    20   /* of one user */
#define INJECT_RESERVED    40   /* of all, for those without limits (root and our own users) */
_Static_assert(INJECT_CONNECTIONS < INJECT_ACCOUNTS,
               "an account without connections is always there");

struct inject_account {
    uid_t uid;
    unsigned int connections;              /* the listener's alone */
    _Atomic uint64_t messages, recipients; /* microseconds on the monotonic clock */
};

struct inject_limits {
    struct inject_account *accounts; /* INJECT_ACCOUNTS, shared memory */
    unsigned int connections;
};

/* Makes the accounts. False: errno. */
bool inject_limits_make(struct inject_limits *limits);

/* The account of UID with one more connection; NULL when too many are open. */
struct inject_account *inject_limits_enter(struct inject_limits *limits, uid_t uid, bool unlimited);
void inject_limits_leave(struct inject_limits *limits, struct inject_account *account);

/* Takes COUNT out of a BUDGET of PER_HOUR (0: no bound). False, and nothing is taken, when so much
 * is not left. */
bool inject_limits_take(_Atomic uint64_t *budget, uint64_t per_hour, uint64_t count);

#endif
