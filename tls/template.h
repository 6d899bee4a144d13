/* The process from which engines are forked: it reads requests (tls/tls_request.h) and does nothing
 * else. It never meets a peer's byte, and what it forks is ready at once. */
#ifndef EKIDEN_TLS_TEMPLATE_H
#define EKIDEN_TLS_TEMPLATE_H

#include <stdbool.h>

#include "tls/engine.h"
#include "tls/tls_request.h"

struct template
{
    int requests; /* packet socket, shared with other templates */
    enum tls_role role;
    char const *engine; /* name of what is forked, at most 15 bytes */

    /* Called before the fork, with a request of the right role. Returns 0, or why there is no
     * engine now, which the asker is told. May be 0. */
    char const *(*prepare)(void *context, struct tls_request const *request);
    /* Called in the engine, after `requests` was closed. ENDS are its own; answers is never -1. Its
     * signals stay blocked: it ends when its asker does. The process ends when it returns. */
    void (*serve)(void *context, struct tls_request const *request, struct engine_ends const *ends);
    /* Called in the template after the fork, whether it worked or not: gives back what prepare
     * took. May be 0. */
    void (*forked)(void *context);
    /* Something to do while no request waits, a little at a time: returns true while there is more.
     * May be 0. */
    bool (*idle)(void *context);
    void *context;
};

/* Reads requests and forks engines until SIGHUP or SIGTERM retires it (exit code 0) or nobody is
 * left who could ask (TEMPLATE_NO_ASKERS); in both cases it ends with its last engine.
 * process_catch_signals (lib/process.h) was called before. */
#define TEMPLATE_NO_ASKERS 3
_Noreturn void template_run(struct template const *template);

/* The fence of a template: no file system, no sockets but those it makes for its engines
 * (socketpair), fork. Called after privilege_drop. Engines call engine_fence as well. */
void template_fence(void);

#endif
