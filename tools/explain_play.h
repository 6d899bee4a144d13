/* The world around the dialogue that `ekiden explain` asks: the dialogue's process, the keeper,
 * which starts what it wishes for, and the client's end of the connection. */
#ifndef EKIDEN_EXPLAIN_PLAY_H
#define EKIDEN_EXPLAIN_PLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <skalibs/stralloc.h>

#include "lib/process.h"
#include "smtpd/helper_table.h"
#include "tools/explain.h"

struct explain_play {
    struct explain_question const *question;
    struct explain_means const *means;
    struct explain_answer *answer;
    enum explain_stage stage;
    int client, requests, news; /* -1 at the end of each */
    pid_t dialogue;
    int injector; /* the dialogue's wish for an injector, which nobody hears; -1 */
    struct helper_table helpers;
    struct children children;
    int64_t deadline;
    stralloc input; /* of the client: replies that were not taken yet */
};

/* Says on standard error WHAT failed, with the error NUMBER (0: none), and ends with 111. */
_Noreturn void explain_fail(char const *what, int number);

/* Starts the dialogue. Signals are caught from here on. */
void explain_play_begin(struct explain_play *play);

/* Waits until something has happened, and sees to it. False: the time is over. */
bool explain_play_go_on(struct explain_play *play);

/* Takes all that the dialogue has told, at once. */
void explain_play_take_news(struct explain_play *play);

/* Nothing that was started stays behind. */
void explain_play_end(struct explain_play *play);

#endif
