/* One delivery to a system user, as qmail-local(8) does it: under his uid, in his home folder, by
 * the instructions of his .qmail file. */
#ifndef EKIDEN_DOTQMAIL_H
#define EKIDEN_DOTQMAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "deliver/dotqmail_environment.h"
#include "deliver/dotqmail_file.h"
#include "deliver/dotqmail_parse.h"
#include "deliver/maildir.h"
#include "deliver/message_copy.h"
#include "queue/inject_client.h"

#define DOTQMAIL_OUTPUT_MAX 4096 /* bytes that are kept of what all programs wrote */

/* Where a message goes, in qmail-local's words. */
struct dotqmail_address {
    char const *local, *dash, *extension, *host;
};

struct dotqmail {
    /* The caller's, set before the first delivery. The current folder is the user's home. */
    char const *user, *home;
    char const *path;             /* the programs' PATH */
    char const *inject;           /* the injector's socket, for forwards */
    char const *default_delivery; /* instructions for who has none */
    long long program_seconds;    /* for all programs of one delivery together */
    int partner;                  /* a socket whose end kills a program; -1: none */
    bool say_only;                /* print what would be done (qmail-local -n) */

    /* Room for the work; all zero at first, given back by dotqmail_free. */
    struct maildir_namer namer;
    struct message_copy copy;
    struct inject_client client;
    struct dotqmail_file file;
    struct dotqmail_environment environment;
    stralloc instructions; /* an array of struct dotqmail_instruction */
    stralloc text;         /* the default delivery, where it takes the file's place */
    stralloc new_sender;
    int stage;          /* the message for programs; -1: not made yet */
    long long deadline; /* of the programs: clock_milliseconds */
};

/* How one delivery went. */
struct dotqmail_report {
    struct failure
        failure; /* when it is delivered the text is "2.0.0 did FILES+FORWARDS+PROGRAMS" */
    unsigned int files, forwards, programs;
    bool abandoned;                   /* the partner is gone */
    bool said;                        /* a program failed and said why: the output has it */
    size_t length;                    /* of output */
    char output[DOTQMAIL_OUTPUT_MAX]; /* the first bytes of what the programs wrote */
};

void dotqmail_start(struct dotqmail *dotqmail, char const *host);
void dotqmail_free(struct dotqmail *dotqmail);

/* Delivers JOB's message, read from MESSAGE (by pread), to ADDRESS. Instructions are followed in
 * their order, forwards together at the end; the first failure ends it, so that a message that is
 * tried again repeats what succeeded before. */
void dotqmail_deliver(struct dotqmail *dotqmail, struct job const *job,
                      struct dotqmail_address const *address, int message,
                      struct dotqmail_report *report);

/* --- the single instructions; false: FAILURE says why --- */

/* Into the Maildir PATH. MAY_MAKE: ./Maildir/ is made when it is missing. */
bool dotqmail_maildir(struct dotqmail *dotqmail, char const *path, bool may_make,
                      struct job const *job, int message, struct failure *failure);

/* Runs COMMAND. *stop: it said (99) that no further instruction is to be followed. */
bool dotqmail_program(struct dotqmail *dotqmail, char const *command, bool *stop,
                      struct dotqmail_report *report);

/* Hands the message to the queue for all forwards among the COUNT instructions. */
bool dotqmail_forward(struct dotqmail *dotqmail, struct dotqmail_instruction const *instructions,
                      size_t count, struct job const *job, int message, struct failure *failure);

#endif
