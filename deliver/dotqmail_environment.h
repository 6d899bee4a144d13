/* What a recipient's program finds in its environment: qmail-command(8)'s variables and PATH,
 * nothing else. */
#ifndef EKIDEN_DOTQMAIL_ENVIRONMENT_H
#define EKIDEN_DOTQMAIL_ENVIRONMENT_H

#include <stdbool.h>
#include <time.h>

#include <skalibs/stralloc.h>

#define DOTQMAIL_ENVIRONMENT_MAX 24 /* variables, and the NULL behind them */

struct dotqmail_names {
    char const *user, *home, *local, *host, *extension, *sender, *new_sender, *path;
    char const *default_part; /* NULL: DEFAULT is not set */
    time_t now;
};

struct dotqmail_environment {
    stralloc bytes;                            /* owned */
    size_t from_line;                          /* in bytes: where the From_ line begins */
    char *variables[DOTQMAIL_ENVIRONMENT_MAX]; /* into bytes; NULL-terminated */
};

/* Makes the environment for NAMES. Values are taken as they are; a LF in one of the three lines
 * (DTLINE, RPLINE, UFLINE) becomes `_` (in UFLINE, where blanks divide, blanks become `-`). False
 * when out of memory. */
bool dotqmail_environment_make(struct dotqmail_environment *environment,
                               struct dotqmail_names const *names);
void dotqmail_environment_free(struct dotqmail_environment *environment);

/* The From_ line of an mbox, with its LF: UFLINE's value. */
char const *dotqmail_environment_from_line(struct dotqmail_environment const *environment);

#endif
