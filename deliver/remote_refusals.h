/* Logins that a server refused a moment ago. Each message that waits would try the wrong password
 * again, and what providers do then is to lock the account: the right one fails as well, after the
 * operator has mended it. */
#ifndef EKIDEN_REMOTE_REFUSALS_H
#define EKIDEN_REMOTE_REFUSALS_H

#include <stdbool.h>

#include <skalibs/tai.h>

#include "deliver/remote_way.h"

#define REMOTE_REFUSALS_MAX     64  /* remembered at once; the oldest is forgotten */
#define REMOTE_REFUSALS_SECONDS 300 /* until it is tried again */

struct remote_refusals {
    unsigned int next;
    struct remote_refusal {
        char host[SMTPROUTES_HOST_MAX]; /* empty: a free entry */
        uint16_t port;
        char reference[SMTPROUTES_REFERENCE_SIZE];
        tain until;
    } entries[REMOTE_REFUSALS_MAX];
};

/* The server at HOST and PORT refused the login REFERENCE now (skalibs' STAMP is the clock). */
void remote_refusals_note(struct remote_refusals *refusals, char const *host, uint16_t port,
                          char const *reference);

/* True when that was so a moment ago: nothing should be tried. A way without AUTH never was. */
bool remote_refusals_has(struct remote_refusals const *refusals, struct remote_way const *way);

/* Forgets all of them: the settings are new. */
void remote_refusals_clear(struct remote_refusals *refusals);

#endif
