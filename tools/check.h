/* `ekiden check`: what is found wrong with a configuration, by the programs' own code. */
#ifndef EKIDEN_CHECK_H
#define EKIDEN_CHECK_H

#include <stdbool.h>

#include "lib/control.h"

struct checked {
    struct control control; /* with check_observer */
    char const *queue, *mail, *auth_state, *judge_state;
    bool files_only; /* what is in the control folder, and nothing beside it */
};

enum check_kind {
    CHECK_ERROR = 'e',   /* a program refuses that, or does not work */
    CHECK_WARNING = 'w', /* works now, and is probably not what is meant */
    CHECK_GOOD = 'g',
    CHECK_NAME = 'n' /* the text is a control file that a program asks for */
};

#define CHECK_TEXT_MAX 1200

/* Notes what was found, cut to CHECK_TEXT_MAX bytes, once: `FILE:LINE: what is wrong; what was
 * expected; what to do`. */
void check_tell(enum check_kind kind, char const *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Tells what loaders find, each problem as an error. */
extern struct control_observer const check_observer;

/* Calls LOOK as USER, in a process of its own, so that what this one may not read is found, and
 * waits for what it tells, of which the first problems count. NULL, a user that is not there, and
 * whoever is not root: as the caller. PROGRAM is whose settings these are. */
void check_as(char const *user, char const *program, void (*look)(struct checked const *),
              struct checked const *check);

/* What was told, in order: calls EACH with its text for each of KIND. */
void check_each(enum check_kind kind, void (*each)(char const *text, void *context), void *context);

/* True when an error or a warning is about PATH, or what is below it. */
bool check_is_wrong(char const *path);

/* Shows errors and warnings, with VERBOSE what is good as well. Returns the exit code: 0, 1 (there
 * are warnings only), or 100; 111 when it cannot be shown. */
int check_show(bool verbose, bool warnings);

/* The parts. */
void check_programs(struct checked const *check); /* each control file, as its programs read it */
void check_keys(struct checked const *check);     /* tls/, as the key process */
void check_routes(struct checked const *check);   /* what routes and aliases refer to */
void check_names(struct checked const *check);    /* after the others: files that nobody reads */
void check_places(
    struct checked const *check); /* users, and folders outside of the control folder */

#endif
