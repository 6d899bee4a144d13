/* The keeper: starts as root, starts everything else under its user, and never reads a byte that a
 * client wrote. */
#ifndef EKIDEN_KEEPER_H
#define EKIDEN_KEEPER_H

#include <stddef.h>

#include "lib/control.h"
#include "lib/privilege.h"
#include "smtpd/connection.h"
#include "smtpd/helper_table.h"
#include "smtpd/template.h"
#include "tls/tls_service.h"

struct keeper {
    struct control control;
    struct settings *settings; /* owned; replaced when the control files change */
    struct privilege_user dialogue, injector, scheduler;
    int folder, wake; /* queue/new and the wake FIFO */
    int count;        /* the file of its messages, for injectors to change */
    struct queue_room room;
    int empty; /* a folder that has nothing in it and no name: root of the dialogues */
    struct helper_table helpers;
    struct tls_service tls;
};

/* What the command line says. */
struct keeper_paths {
    char const *control, *queue;
    char const *state; /* ekiden-auth's folder: made and opened when a login first needs it */
    char const *judge; /* ekiden-judge's: when a session does */
};

/* Opens control files, queue and users, in this order; makes the queue's folders where they are
 * missing. Dies with exit 100 (configuration) or 111 after logging; with a CLIENT (0: none) that
 * may be spoken to in the clear it is told 421 first. */
void keeper_open(struct keeper *keeper, struct keeper_paths const *paths,
                 struct connection *client);

/* Reads the control files into new settings. NULL after logging what is wrong with which line. */
struct settings *keeper_load_settings(struct control const *control);

/* From here on SETTINGS are those of today; what was before is the caller's to free. */
void keeper_use_settings(struct keeper *keeper, struct settings *settings);

struct keeper_options {
    unsigned int idle_seconds; /* leave when nobody came for so long; 0: never */
    int ready; /* descriptor that gets a newline when clients are served (s6's notification-fd),
                  then is closed; 0: none */
};

/* Serves listening sockets until SIGTERM. Returns the exit code. */
int keeper_listen(struct keeper *keeper, struct listening const *listeners, size_t count,
                  struct keeper_options const *options);

/* Serves the one CONNECTION, of which descriptors, addresses and UCSPI-TLS are filled in, and its
 * role where it does not depend on its port. Returns the exit code. */
int keeper_serve_one(struct keeper *keeper, struct connection *connection);

#endif
