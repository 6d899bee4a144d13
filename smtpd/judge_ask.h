/* The dialogue's side of judge/question.h: tells ekiden-judge of the session, and hears what it
 * finds. Whatever it says or does not say, nothing here waits longer than the session's budget of
 * time, and only what finding_parse lets through is believed. */
#ifndef EKIDEN_JUDGE_ASK_H
#define EKIDEN_JUDGE_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/question.h"
#include "smtpd/stream.h"

/* Those that ask DNS, and are asked without waiting. */
enum judge_topic { JUDGE_CLIENT, JUDGE_HELLO, JUDGE_SENDER, JUDGE_TOPICS };

struct judge_ask {
    struct stream *stream; /* the session's, for its deadlines; it is not written to */
    int socket;            /* -1: not started, or it has ended */
    bool started;
    bool failed;      /* no judge, no answer in time, or nonsense: it is asked no more */
    bool counted;     /* N is answered */
    int64_t patience; /* milliseconds that the session may still wait for what asks DNS */
    int64_t credit;   /* the same for what is answered at once */
    unsigned int number;
    struct judge_topic_state {
        unsigned int number;            /* of the question under way; 0: none */
        bool asked;                     /* that question is what is wanted still */
        struct question_answer *answer; /* owned; NULL: no answer yet */
    } topics[JUDGE_TOPICS];
};
#define JUDGE_ASK_ZERO                                                                             \
    {                                                                                              \
        .socket = -1                                                                               \
    }

/* Begins a session in which DNS may take SECONDS in all. Starts nothing. */
void judge_ask_begin(struct judge_ask *judge, struct stream *stream, uint64_t seconds);

/* Has the judge started, where it was not yet, and tells it of the client at ADDRESS (text) with
 * question N. No wait. */
void judge_ask_start(struct judge_ask *judge, char const *address);

/* Asks about TEXT without waiting. What was asked about the topic before counts no longer; while it
 * is under way nothing is sent, so that a client who changes its mind often fills no socket: call
 * it again before the wait. True when it was asked. */
bool judge_ask_topic(struct judge_ask *judge, enum judge_topic topic, char const *text);

/* What was asked about TOPIC counts no longer. */
void judge_ask_forget(struct judge_ask *judge, enum judge_topic topic);

/* Waits for what was found about TOPIC, which is TEXT now; asks where that was not asked yet.
 * *answer is the judge's own until TOPIC is asked again; NULL: it has failed. STREAM_OK, however it
 * went; STREAM_STOPPED and STREAM_EXPIRED concern the session. */
enum stream_result judge_ask_await(struct judge_ask *judge, enum judge_topic topic,
                                   char const *text, struct question_answer const **answer);

/* Asks about FIRST and SECOND (NULL where the kind has none) and waits for the answer: of the kinds
 * that are answered at once. N was asked by judge_ask_start already, and is awaited once, before
 * anything else. *answer is valid until the next call. The rest as above. */
enum stream_result judge_ask_now(struct judge_ask *judge, enum question_kind kind,
                                 char const *first, char const *second,
                                 struct question_answer const **answer);

/* The judge sees its end, and ends. */
void judge_ask_end(struct judge_ask *judge);

#endif
