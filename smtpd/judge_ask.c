#include "smtpd/judge_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "smtpd/helper_ask.h"

/* The judge gives up by itself at its deadline; this is for its way to say so. */
#define MARGIN_MILLISECONDS 1000
/* What is answered at once costs a look into a store, rarely a flush: so much at most in one go, and
 * a little more for each question, so that a judge that dawdles cannot hold a session for long. */
#define CREDIT_MAX_MILLISECONDS 10000
#define CREDIT_MILLISECONDS     100

#define CONNECTION_NUMBER 1

static enum question_kind const kinds[JUDGE_TOPICS] = {[JUDGE_CLIENT] = QUESTION_CLIENT,
                                                       [JUDGE_HELLO] = QUESTION_HELLO,
                                                       [JUDGE_SENDER] = QUESTION_SENDER};

/* The judge is one process a session, and so is the dialogue: what has come last of it. */
static struct question_answer latest;

void judge_ask_begin(struct judge_ask *judge, uint64_t seconds)
{
    *judge = (struct judge_ask)JUDGE_ASK_ZERO;
    judge->patience = (int64_t)seconds * 1000 + MARGIN_MILLISECONDS;
    judge->credit = CREDIT_MAX_MILLISECONDS;
}

static enum judge_result fail(struct judge_ask *judge, char const *what)
{
    if (judge->socket >= 0)
        close(judge->socket);
    judge->socket = -1;
    if (!judge->failed)
        log_failure("judge-lost", what, 0);
    judge->failed = true;
    return JUDGE_FAILED;
}

static bool send_question(struct judge_ask *judge, enum question_kind kind, char const *first,
                          char const *second)
{
    static struct question question;
    static char packet[QUESTION_PACKET_MAX];
    if (judge->socket < 0)
        return false;
    question.kind = kind;
    question.number = ++judge->number;
    snprintf(question.fields[0], sizeof question.fields[0], "%s", first);
    snprintf(question.fields[1], sizeof question.fields[1], "%s", second ? second : "");
    struct iovec const piece = {.iov_base = packet, .iov_len = question_format(packet, &question)};
    if (piece.iov_len && packet_offer(judge->socket, &piece, 1, NULL, 0))
        return true;
    fail(judge, errno == EPIPE ? "it has ended, or could not be started" : "it takes no questions");
    return false;
}

void judge_ask_start(struct judge_ask *judge, int requests, char const *address)
{
    if (judge->started)
        return;
    judge->started = true;
    judge->socket = helper_talk(requests, HELPER_JUDGE, SOCK_SEQPACKET);
    if (judge->socket < 0)
        fail(judge, "it could not be asked for");
    else
        send_question(judge, QUESTION_CONNECTION, address, NULL);
}

bool judge_ask_topic(struct judge_ask *judge, enum judge_topic topic, char const *text)
{
    struct judge_topic_state *const state = judge->topics + topic;
    free(state->answer);
    state->answer = NULL;
    state->asked = !state->number && send_question(judge, kinds[topic], text, NULL);
    if (state->asked)
        state->number = judge->number;
    return state->asked;
}

/* Keeps what came about a topic. False: nothing of that kind is under way. */
static bool keep(struct judge_ask *judge)
{
    if (latest.kind == QUESTION_CONNECTION && latest.number == CONNECTION_NUMBER && !judge->counted)
        return judge->counted = true; /* nobody wanted to know */
    for (enum judge_topic topic = 0; topic < JUDGE_TOPICS; topic++) {
        struct judge_topic_state *const state = judge->topics + topic;
        if (kinds[topic] != latest.kind || state->number != latest.number || !state->number)
            continue;
        state->number = 0;
        if (!state->asked)
            return true; /* it is wanted no longer */
        size_t const size =
            offsetof(struct question_answer, findings) + latest.count * sizeof *latest.findings;
        state->answer = malloc(size);
        if (state->answer)
            memcpy(state->answer, &latest, size);
        return state->answer;
    }
    return false;
}

/* Takes one answer into `latest`, at DEADLINE (clock_milliseconds) at the latest. */
static enum judge_result take(struct judge_ask *judge, struct judge_waiter const *waiter,
                              int64_t deadline)
{
    static char packet[QUESTION_ANSWER_MAX];
    unsigned int none = 0;
    int64_t const left = deadline - clock_milliseconds();
    if (judge->socket < 0)
        return JUDGE_FAILED;
    enum judge_result const waited =
        left > 0 ? waiter->wait(waiter->context, judge->socket, left) : JUDGE_FAILED;
    if (waited == JUDGE_FAILED)
        return fail(judge, "it has not answered in time");
    if (waited == JUDGE_STOPPED)
        return waited;
    ssize_t const length = packet_take(judge->socket, packet, sizeof packet, NULL, &none);
    if (length == 0)
        return fail(judge, "it has ended, or could not be started");
    if (length < 0 || !question_answer_parse(&latest, packet, (size_t)length))
        return fail(judge, "its answer is none");
    return JUDGE_ANSWERED;
}

/* Takes answers until the one to question NUMBER of KIND is in `latest`, within *LEFT milliseconds,
 * which it reduces. */
static enum judge_result take_until(struct judge_ask *judge, struct judge_waiter const *waiter,
                                    enum question_kind kind, unsigned int number, int64_t *left)
{
    int64_t const deadline = clock_milliseconds() + *left;
    enum judge_result result;
    do {
        result = take(judge, waiter, deadline);
        if (result == JUDGE_ANSWERED && latest.kind == kind && latest.number == number)
            break;
        if (result == JUDGE_ANSWERED && !keep(judge))
            result = fail(judge, "it answers what was not asked");
    } while (result == JUDGE_ANSWERED);
    *left = deadline - clock_milliseconds();
    return result;
}

enum judge_result judge_ask_await(struct judge_ask *judge, struct judge_waiter const *waiter,
                                  enum judge_topic topic, char const *text,
                                  struct question_answer const **answer)
{
    struct judge_topic_state *const state = judge->topics + topic;
    *answer = NULL;
    while (!state->answer) {
        if (!state->number && !judge_ask_topic(judge, topic, text))
            return JUDGE_FAILED;
        enum judge_result const result =
            take_until(judge, waiter, kinds[topic], state->number, &judge->patience);
        if (result != JUDGE_ANSWERED)
            return result;
        if (!keep(judge))
            return fail(judge, "out of memory");
    }
    *answer = state->answer;
    return JUDGE_ANSWERED;
}

enum judge_result judge_ask_now(struct judge_ask *judge, struct judge_waiter const *waiter,
                                enum question_kind kind, char const *first, char const *second,
                                struct question_answer const **answer)
{
    bool const first_question = kind == QUESTION_CONNECTION;
    *answer = NULL;
    if (!first_question && !send_question(judge, kind, first, second))
        return JUDGE_FAILED;
    judge->credit += CREDIT_MILLISECONDS;
    if (judge->credit > CREDIT_MAX_MILLISECONDS)
        judge->credit = CREDIT_MAX_MILLISECONDS;
    enum judge_result const result =
        take_until(judge, waiter, kind, first_question ? CONNECTION_NUMBER : judge->number,
                   &judge->credit);
    judge->counted |= first_question;
    if (result == JUDGE_ANSWERED)
        *answer = &latest;
    return result;
}

void judge_ask_end(struct judge_ask *judge)
{
    if (judge->socket >= 0)
        close(judge->socket);
    for (enum judge_topic topic = 0; topic < JUDGE_TOPICS; topic++)
        free(judge->topics[topic].answer);
    *judge = (struct judge_ask)JUDGE_ASK_ZERO;
}
