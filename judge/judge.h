/* What ekiden-judge knows of its session, and how its rules find something.
 *
 * A rule that asks DNS is a function of what has been looked up so far: it asks for all that it
 * needs (asking_look_up gives what came, or begins), says `waiting` while something is missing, and
 * is called again when more is there. So a chain of look-ups (PTR, then addresses) is a loop, and
 * needs no state of its own. A rule that counts is called once. */
#ifndef EKIDEN_JUDGE_H
#define EKIDEN_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/ip46.h>

#include "judge/asking.h"
#include "judge/finding.h"
#include "judge/greylist.h"
#include "judge/judge_settings.h"
#include "judge/limits.h"
#include "judge/memory.h"
#include "judge/question.h"

#define JUDGE_DOMAIN_MAX 256 /* bytes, with the NUL */

struct judge {
    struct judge_settings settings;
    struct asking asking;
    struct memory memory;                /* read only with -n; unused where no rule wants it */
    bool has_client;                     /* N or C was asked */
    ip46 client;                         /* ::ffff:a.b.c.d is a.b.c.d */
    char address[IP46_FMT + 1];          /* the same as text */
    char sender[QUESTION_FIELD_MAX + 1]; /* of the last M; empty: none, or the null sender */
};

/* What is found out about one question. */
struct report {
    struct question_answer answer;
    size_t counted; /* of its findings come from rules that count, and stay */
    bool waiting;   /* a rule needs what is still being looked up */
};

/* Adds a finding; where there is no room for one it is not sent. */
struct finding *report_add(struct report *report, enum finding_verdict verdict, char const *rule,
                           char const *place);

typedef void judge_rule_func(struct judge *judge, struct question const *question,
                             struct report *report);

/* Calls the rules for QUESTION: those that count when BEGINS, and those that ask DNS.
 * report->waiting says whether they have to be called again. */
void judge_examine(struct judge *judge, struct question const *question, struct report *report,
                   bool begins);

/* --- the rules --- */

judge_rule_func limits_examine, greylist_examine;
judge_rule_func dnsbl_examine, rhsbl_examine, names_examine_client, names_examine_helo,
    names_examine_sender;

/* --- for rules that ask DNS --- */

/* The domain of a HELO name or of a sender, with A-labels. False: it has none, but perhaps a
 * literal, or an address without brackets. */
bool judge_domain(char domain[JUDGE_DOMAIN_MAX], char const *text);

/* Appends `NAME TYPE -> ANSWER; ` to the trail. */
void judge_trail(struct finding *finding, struct lookup const *lookup);

/* Turns FINDING into "cannot be said", for LOOKUP's reason. A rule that could have refused defers
 * where `dnsdown` wants that. */
void judge_unknown(struct judge const *judge, struct finding *finding, struct lookup const *lookup,
                   bool could_refuse);

#endif
