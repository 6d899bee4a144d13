/* A session of ekiden-smtpd for `ekiden explain`: the dialogue in a process of its own, in the
 * fence and under the user that it always has, with somebody who looks on (smtpd/trace.h). */
#ifndef EKIDEN_EXPLAIN_DIALOGUE_H
#define EKIDEN_EXPLAIN_DIALOGUE_H

#include "lib/privilege.h"
#include "tools/explain.h"

/* What it tells, a packet each, its letter first. */
enum explain_news {
    EXPLAIN_RULE = 'R',     /* a finding in its wire form */
    EXPLAIN_REFUSAL = 'F',  /* the rule's name */
    EXPLAIN_ACCEPTED = 'A', /* the recipient as it enters the envelope */
};
#define EXPLAIN_NEWS_MAX (1 + FINDING_BYTES_MAX + 2048)

/* The ends of pairs that are the dialogue's. */
struct explain_ends {
    int client;   /* SMTP */
    int requests; /* smtpd/helper.h */
    int news;
};

_Noreturn void explain_dialogue(struct explain_question const *question,
                                struct explain_means const *means,
                                struct privilege_user const *user, struct explain_ends const *ends,
                                pid_t parent);

#endif
