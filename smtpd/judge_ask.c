#include "smtpd/judge_ask.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
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
/* What is answered at once costs a look into a store, rarely a flush: so much at most in one go,
 * and a little more for each question, so that a judge that dawdles cannot hold a session for long.
 */
#define CREDIT_MAX_MILLISECONDS 10000
#define CREDIT_MILLISECONDS     100

#define CONNECTION_NUMBER 1

static enum question_kind const kinds[JUDGE_TOPICS] = {[JUDGE_CLIENT] = QUESTION_CLIENT,
                                                       [JUDGE_HELLO] = QUESTION_HELLO,
                                                       [JUDGE_SENDER] = QUESTION_SENDER};

/* The judge is one process a session, and so is the dialogue: what has come last of it. */
static struct question_answer latest;

void judge_ask_begin(struct judge_ask *judge, struct stream *stream, uint64_t seconds)
{
    *judge = (struct judge_ask)JUDGE_ASK_ZERO;
    judge->stream = stream;
    judge->patience = (int64_t)seconds * 1000 + MARGIN_MILLISECONDS;
    judge->credit = CREDIT_MAX_MILLISECONDS;
}

static void fail(struct judge_ask *judge, char const *what)
{
    if (judge->socket >= 0)
        close(judge->socket);
    judge->socket = -1;
    if (!judge->failed)
        log_failure("judge-lost", what, 0);
    judge->failed = true;
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

void judge_ask_start(struct judge_ask *judge, char const *address)
{
    if (judge->started)
        return;
    judge->started = true;
    judge->socket =
        helper_talk(judge->stream->connection->helper_requests, HELPER_JUDGE, SOCK_SEQPACKET);
    if (judge->socket < 0)
        fail(judge, "it could not be asked for");
    else
        send_question(judge, QUESTION_CONNECTION, address, NULL);
}

void judge_ask_forget(struct judge_ask *judge, enum judge_topic topic)
{
    free(judge->topics[topic].answer);
    judge->topics[topic].answer = NULL;
    judge->topics[topic].asked = false;
}

bool judge_ask_topic(struct judge_ask *judge, enum judge_topic topic, char const *text)
{
    struct judge_topic_state *const state = judge->topics + topic;
    judge_ask_forget(judge, topic);
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
static enum stream_result take(struct judge_ask *judge, int64_t deadline)
{
    static char packet[QUESTION_ANSWER_MAX];
    unsigned int none = 0;
    int64_t const left = deadline - clock_milliseconds();
    enum stream_result const waited =
        left > 0 ? stream_wait(judge->stream, judge->socket, POLLIN, left) : STREAM_TIMEOUT;
    if (waited == STREAM_STOPPED || waited == STREAM_EXPIRED)
        return waited;
    ssize_t const length =
        waited == STREAM_OK ? packet_take(judge->socket, packet, sizeof packet, NULL, &none) : -1;
    if (waited != STREAM_OK)
        fail(judge, "it has not answered in time");
    else if (length == 0)
        fail(judge, "it has ended, or could not be started");
    else if (length < 0 || !question_answer_parse(&latest, packet, (size_t)length))
        fail(judge, "its answer is none");
    return STREAM_OK;
}

/* Takes answers until the one to question NUMBER of KIND is in `latest`, within *LEFT milliseconds,
 * which it reduces. It has not come where the judge has failed. */
static enum stream_result take_until(struct judge_ask *judge, enum question_kind kind,
                                     unsigned int number, int64_t *left)
{
    int64_t const deadline = clock_milliseconds() + *left;
    enum stream_result result = STREAM_OK;
    while (result == STREAM_OK && !judge->failed) {
        result = take(judge, deadline);
        if (result != STREAM_OK || judge->failed ||
            (latest.kind == kind && latest.number == number))
            break;
        if (!keep(judge))
            fail(judge, "it answers what was not asked");
    }
    *left = deadline - clock_milliseconds();
    return result;
}

enum stream_result judge_ask_await(struct judge_ask *judge, enum judge_topic topic,
                                   char const *text, struct question_answer const **answer)
{
    struct judge_topic_state *const state = judge->topics + topic;
    enum stream_result result = STREAM_OK;
    while (!state->answer && !judge->failed && result == STREAM_OK) {
        if (!state->number && !judge_ask_topic(judge, topic, text))
            break;
        result = take_until(judge, kinds[topic], state->number, &judge->patience);
        if (result == STREAM_OK && !judge->failed && !keep(judge))
            fail(judge, "out of memory");
    }
    *answer = state->answer;
    return result;
}

enum stream_result judge_ask_now(struct judge_ask *judge, enum question_kind kind,
                                 char const *first, char const *second,
                                 struct question_answer const **answer)
{
    bool const begins = kind == QUESTION_CONNECTION;
    *answer = NULL;
    if (!begins && !send_question(judge, kind, first, second))
        return STREAM_OK;
    judge->credit += CREDIT_MILLISECONDS;
    if (judge->credit > CREDIT_MAX_MILLISECONDS)
        judge->credit = CREDIT_MAX_MILLISECONDS;
    enum stream_result const result =
        take_until(judge, kind, begins ? CONNECTION_NUMBER : judge->number, &judge->credit);
    judge->counted |= begins;
    if (result == STREAM_OK && !judge->failed)
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
