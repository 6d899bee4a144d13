/* How the programs that submit mail end when they cannot: a line for the caller, and the exit code
 * that the caller's interface has for the kind of problem. */
#ifndef EKIDEN_PROBLEM_H
#define EKIDEN_PROBLEM_H

enum problem {
    PROBLEM_USAGE,         /* the command line */
    PROBLEM_DATA,          /* the message cannot be understood */
    PROBLEM_RECIPIENT,     /* an address cannot be, or there is none */
    PROBLEM_REFUSED,       /* the queue refuses it for good */
    PROBLEM_TEMPORARY,     /* the queue, or something else that may work again later */
    PROBLEM_CONFIGURATION, /* a control file */
    PROBLEM_PERMISSION,    /* the caller may not */
    PROBLEM_KINDS
};

/* Names the program and its exit code for each kind. Both must stay valid. */
void problem_start(char const *program, int const codes[static PROBLEM_KINDS]);

/* Logs WHAT, and the text of NUMBER (errno) unless that is 0, and ends with the code for KIND. */
_Noreturn void problem_die(enum problem kind, char const *what, int number);

/* The same with what it is about, which may hold any bytes. */
_Noreturn void problem_die_about(enum problem kind, char const *what, char const *about,
                                 unsigned long length);

#endif
