/* The keeper's side of helper.h: the helper programs that it has started for dialogues. */
#ifndef EKIDEN_HELPER_TABLE_H
#define EKIDEN_HELPER_TABLE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "smtpd/helper_program.h"

struct helper_table {
    struct helper_means means;
    struct helper {
        pid_t pid;
        int reply; /* the keeper's end of the dialogue's pair */
        bool direct;
        unsigned int grace;
        int64_t late; /* when it is ended whose dialogue has gone; 0: it has not */
        bool told;    /* to end, by SIGTERM */
    } * entries;      /* owned */
    size_t count, space;
};

/* Starts the helper that the LENGTH bytes of REQUEST ask for, and tells the dialogue behind REPLY,
 * which the table owns from here on: `+` with the channels, or `-`; who is direct, nothing. */
void helper_start(struct helper_table *table, char const *request, size_t length, int reply);

/* One pollfd a helper, for the hang-up of its dialogue. Returns how many were written to POLLS,
 * which has room for table->count. */
size_t helper_polls(struct helper_table const *table, struct pollfd *polls);

/* How long ppoll may wait: OTHERWISE, or a second while a helper has to be looked after. */
struct timespec const *helper_timeout(struct helper_table const *table,
                                      struct timespec const *otherwise);

/* Ends the helpers whose dialogue gave up, by the result of ppoll on what helper_polls wrote: by
 * SIGTERM, two seconds later by SIGKILL. A direct one, which sees it itself, gets its grace first.
 */
void helper_check(struct helper_table *table, struct pollfd const *polls, size_t count);

/* PID ended with STATUS: its dialogue is told the exit code. False when PID is no helper. */
bool helper_ended(struct helper_table *table, pid_t pid, int status);

#endif
