/* Runs one command of a recipient: /bin/sh -c COMMAND, as qmail-command(8) has it. */
#ifndef EKIDEN_PROGRAM_H
#define EKIDEN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#define PROGRAM_OUTPUT_MAX      1024 /* bytes that are kept of what a program writes */
#define PROGRAM_DESCRIPTORS     1024 /* limits of open files: soft, and hard */
#define PROGRAM_DESCRIPTORS_MAX 4096

struct program {
    char const *command;
    char *const *environment; /* NULL-terminated: all that it gets */
    int message;              /* its fd 0, at its start */
    long long deadline;       /* CLOCK_MONOTONIC, milliseconds: then its process group is killed */
    int partner;              /* a socket: its end (POLLHUP) kills the program as well; -1: none */
};

enum program_result {
    PROGRAM_EXITED,     /* code: its exit code */
    PROGRAM_KILLED,     /* code: the signal */
    PROGRAM_TOO_LONG,   /* the deadline passed */
    PROGRAM_ABANDONED,  /* the partner is gone */
    PROGRAM_NOT_STARTED /* code: an errno value */
};

struct program_end {
    enum program_result result;
    int code;
    size_t length;                   /* of output */
    char output[PROGRAM_OUTPUT_MAX]; /* the first bytes of what it wrote to its fds 1 and 2 */
};

/* Runs PROGRAM to its end. It has the descriptors 0, 1 and 2 and no other, a process group of its
 * own, default signals, and dies with this process. What it writes is read to the end, and all but
 * the beginning dropped. When it ends nothing more is waited for: children that it left behind may
 * keep the pipe open as long as they like. */
void program_run(struct program const *program, struct program_end *end);

#endif
