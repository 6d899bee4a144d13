/* What `ekiden explain` asks a session, and what came of it. */
#ifndef EKIDEN_EXPLAIN_H
#define EKIDEN_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/ip46.h>
#include <skalibs/stralloc.h>

#include "judge/finding.h"
#include "lib/control.h"
#include "queue/queue_room.h"
#include "smtpd/role.h"
#include "smtpd/settings.h"

struct explain_question {
    char const *ip_text, *hello, *sender, *recipient; /* as the operator wrote them; no CR, no LF */
    char const *login;                                /* NULL: nobody logs in */
    ip46 ip;
    enum role role;
    bool tls; /* has begun */
};

/* Where the session stands, and what the client says there. */
enum explain_stage {
    EXPLAIN_CONNECT,
    EXPLAIN_HELLO,
    EXPLAIN_LOGIN,
    EXPLAIN_SENDER,
    EXPLAIN_RECIPIENT,
    EXPLAIN_MESSAGE, /* DATA, and then no message */
    EXPLAIN_STAGES
};

struct explain_rule {
    enum explain_stage stage;
    struct finding finding; /* its place with the line, where there is one */
};

struct explain_step {
    bool taken;
    stralloc command; /* without CRLF; empty at EXPLAIN_CONNECT */
    stralloc reply;   /* its last line, without CRLF; empty when the session just ended */
};

struct explain_answer {
    struct explain_rule *rules; /* in the order in which they were asked; owned */
    size_t count, space;
    struct explain_step steps[EXPLAIN_STAGES];
    enum explain_stage last;         /* the stage that decided; where all went well, RCPT */
    char rule[FINDING_RULE_MAX + 1]; /* that refused or deferred; empty: none did */
    stralloc recipient;              /* in the envelope; empty: not accepted */
};

/* The verdict in the reply to the last stage: 2, 4 or 5; 0 when the session ended without one. */
unsigned int explain_class(struct explain_answer const *answer);

/* The finding that decided; NULL where none did. */
struct finding const *explain_deciding(struct explain_answer const *answer);

/* What the session needs besides the question. */
struct explain_means {
    struct control const *control;
    struct settings const *settings;
    struct queue_room const *room;
    char const *judge; /* path of ekiden-judge's folder */
};

/* Asks a session. Where it cannot be had it says so on standard error and ends with 111. */
void explain_ask(struct explain_answer *answer, struct explain_question const *question,
                 struct explain_means const *means);

/* A rule has been asked at STAGE. False: out of memory. */
bool explain_add_rule(struct explain_answer *answer, struct control const *control,
                      enum explain_stage stage, struct finding const *finding);

#endif
