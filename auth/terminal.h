/* A password from a person at a terminal, or from a program at standard input. */
#ifndef EKIDEN_TERMINAL_H
#define EKIDEN_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

enum terminal_result {
    TERMINAL_OK,
    TERMINAL_FAILED, /* no terminal, or it ended: errno, 0 at its end */
    TERMINAL_REFUSED /* *why says what is wrong with the password */
};

/* Reads a password of at most PASSWORD_MAX bytes into PASSWORD, which has room for one more, with a
 * NUL. When standard input is a terminal it is asked for at /dev/tty, without echo, TWICE where
 * that is wanted, and the echo is restored whatever signal comes; else it is the one line of
 * standard input. */
enum terminal_result terminal_password(char *password, bool twice, char const **why);

#endif
