/* `ekiden queue`: its commands, and what each of them is told. */
#ifndef EKIDEN_QUEUE_COMMAND_H
#define EKIDEN_QUEUE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/control.h"
#include "tools/queue_select.h"

enum {
    QUEUE_EXIT_DONE = 0,
    QUEUE_EXIT_NOTHING = 1, /* a message is not in the queue, or it does not apply to one */
    QUEUE_EXIT_USAGE = 100,
    QUEUE_EXIT_TEMPORARY = 111 /* something failed; part of it may be done */
};

struct queue_arguments {
    char const *command;
    char const *queue_path, *control_path;
    struct queue_select select;
    bool json, yes, message;
    char *const *words; /* what is no option, behind the command */
    size_t word_count;
    int queue;    /* the folder, once it is open */
    uid_t person; /* who runs this */
};

/* Runs `queue ...`. Returns the exit code. */
int queue_command(int argc, char *const *argv);

/* Says TEXT of the message ID on standard error. */
void queue_command_say(char const *id, char const *text);

/* The same of what has the name of a folder of the queue and is none: PATH below it. */
void queue_command_odd(char const *path);

/* Say what is wrong and end. NUMBER is an errno, or 0. */
_Noreturn void queue_command_usage(char const *what);
_Noreturn void queue_command_fail(char const *what, int number);

/* Opens the queue. */
void queue_command_open(struct queue_arguments *arguments);

/* Started by root, becomes who owns the queue, before the first byte of it is read:
 * the scheduler's user with the injector's group, or whoever runs a queue of his own. Fenced in
 * with the queue and what this command needs. */
void queue_command_drop(struct queue_arguments *arguments);

#endif
