/* Templates: processes that are already under their user, in their fence and with their
 * configuration, and do nothing but fork. What they fork is ready at once (doc/design.md, section
 * 2). */
#ifndef EKIDEN_TEMPLATE_H
#define EKIDEN_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/privilege.h"
#include "queue/queue_room.h"
#include "smtpd/session_table.h"
#include "smtpd/settings.h"

struct listening {
    int descriptor; /* non-blocking */
    bool has_role;  /* else the port of each connection decides */
    enum role role;
};

/* What the keeper knows and its templates inherit. */
struct template
{
    struct listening const *listeners;
    size_t listener_count;
    struct settings const *settings;
    struct session_table *table;
    size_t sessions_max; /* dialogues at once, and so helpers */
    struct privilege_user dialogue, injector;
    int empty;        /* a folder that has nothing in it and no name */
    int folder, wake; /* queue/new and the wake FIFO */
    int count;        /* the file of queue/queue_count.h, -1: none */
    struct queue_room const *room;
    int injector_requests; /* for dialogues to write to */
    int helper_requests;
    int tls_requests;
};

/* Forks the dialogue template. It keeps a few dialogues waiting in accept. SIGHUP retires it: the
 * waiting ones end, and it ends after its last session. SIGTERM ends the sessions too, each at its
 * next command. -1: logged. */
pid_t template_start_dialogues(struct template const *template);

#endif
