/* One message from standard input into the queue, or to standard output: what ekiden-inject and
 * sendmail have in common. */
#ifndef EKIDEN_SUBMISSION_H
#define EKIDEN_SUBMISSION_H

#include <stdbool.h>

#include "lib/dsn.h"

enum submission_recipients {
    SUBMISSION_ARGUMENTS, /* those of the command line only */
    SUBMISSION_HEADER,    /* those of the header only */
    SUBMISSION_EITHER,    /* the command line's, where there are any, else the header's */
    SUBMISSION_BOTH
};

struct submission {
    enum submission_recipients recipients;
    char const *const *arguments; /* NULL-terminated */
    bool lists;                   /* an argument is a list of addresses, not an unquoted one */
    char const *sender;           /* the envelope's, unquoted; empty: the null sender; 0: by the
                                     environment */
    bool sender_is_from;          /* SENDER stands in a From that is missing, too */
    bool ignore_return_path;
    char const *name;    /* 0: by the environment */
    bool dot_ends;       /* a line `.` ends the message */
    bool body_8bit;      /* the caller says so; else it is seen */
    unsigned int notify; /* which reports are wanted of each recipient (RFC 3461); 0: unsaid */
    struct dsn_message dsn;
    bool print;                   /* to standard output instead of the queue */
    char const *control, *inject; /* 0: the usual ones */
};

/* Reads, completes and hands over; returns when the message is durable. Dies (tools/problem.h) in
 * all other cases, and nothing is in the queue then. */
void submission_run(struct submission const *submission);

/* The folder of the control files: GIVEN, or EKIDEN_CONTROL from the environment, or the configured
 * one. */
char const *submission_control(char const *given);

#endif
