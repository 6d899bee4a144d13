#include "judge/judge_serve.h"

#include <errno.h>
#include <string.h>

#include "lib/ip.h"
#include "lib/log.h"
#include "lib/packet.h"

/* A question that is not answered yet. */
struct inquiry {
    bool open;
    struct question question;
    struct report report; /* complete, and to be sent, unless it says `waiting` */
};

/* Questions that ask DNS have a place a kind, because a new one counts in place of the last. What
 * is answered at once has INSTANT, so has a question that no longer counts. */
enum { CLIENT, HELLO, SENDER, INSTANT, PLACES };

static struct inquiry inquiries[PLACES];

static struct inquiry *place_of(enum question_kind kind)
{
    switch (kind) {
    case QUESTION_CLIENT:
        return &inquiries[CLIENT];
    case QUESTION_HELLO:
        return &inquiries[HELLO];
    case QUESTION_SENDER:
        return &inquiries[SENDER];
    case QUESTION_CONNECTION:
    case QUESTION_RECIPIENT:
    case QUESTION_UNKNOWN:
    case QUESTION_MESSAGE:
        break;
    }
    return &inquiries[INSTANT];
}

/* The answer to a question in whose place another one has come: nothing was found. */
static void retire(struct inquiry const *inquiry)
{
    struct inquiry *const instant = &inquiries[INSTANT];
    instant->open = true;
    instant->report.waiting = false;
    instant->report.answer.kind = inquiry->question.kind;
    instant->report.answer.number = inquiry->question.number;
    instant->report.answer.count = 0;
}

/* Keeps what later questions are about. False: the client's address is none. */
static bool remember(struct judge *judge, struct question const *question)
{
    char const *const text = question->fields[0];
    if (question->kind == QUESTION_SENDER)
        memcpy(judge->sender, text, sizeof judge->sender);
    if (question->kind != QUESTION_CLIENT && question->kind != QUESTION_CONNECTION)
        return true;
    if (!ip_scan(&judge->client, text))
        return false;
    judge->address[ip46_fmt(judge->address, &judge->client)] = 0;
    return judge->has_client = true;
}

/* Takes the next question. False: the session is over (*exit_code). */
static bool take_question(struct judge *judge, int socket, int *exit_code)
{
    char packet[QUESTION_PACKET_MAX];
    struct question question;
    unsigned int descriptors = 0;
    ssize_t const length = packet_take(socket, packet, sizeof packet, NULL, &descriptors);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    *exit_code = length == 0 ? 0 : 111;
    if (length == 0)
        return false;
    if (length < 0 || !question_parse(&question, packet, (size_t)length) ||
        !remember(judge, &question)) {
        log_failure("malformed-question", "a session sent what is none", length < 0 ? errno : 0);
        return false;
    }
    struct inquiry *const inquiry = place_of(question.kind);
    if (inquiry->open)
        retire(inquiry);
    inquiry->open = true;
    inquiry->question = question;
    judge_examine(judge, &inquiry->question, &inquiry->report, true);
    return true;
}

static bool is_answered(struct inquiry const *inquiry)
{
    return inquiry->open && !inquiry->report.waiting;
}

/* Sends the answers that are complete. False: the session is gone. */
static bool send_answers(int socket, bool *full)
{
    static char packet[QUESTION_ANSWER_MAX];
    *full = false;
    for (unsigned int i = 0; i < PLACES && !*full; i++) {
        if (!is_answered(&inquiries[i]))
            continue;
        struct iovec const piece = {
            .iov_base = packet,
            .iov_len = question_answer_format(packet, &inquiries[i].report.answer)};
        if (packet_offer(socket, &piece, 1, NULL, 0))
            inquiries[i].open = false;
        else if (errno == EAGAIN)
            *full = true;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

/* Waits for the session and for name servers, and serves the latter. Whether the session's socket
 * is ready comes back in *ready. False after logging. */
static bool wait_and_serve(struct judge *judge, int socket, bool full, bool *ready)
{
    iopause_fd waits[1 + DNS_ASK_MAX] = {
        {.fd = socket, .events = full ? IOPAUSE_WRITE : IOPAUSE_READ}};
    tain deadline = tain_infinite;
    unsigned int const count = asking_waits(&judge->asking, waits + 1, &deadline);
    int const found =
        count ? iopause_g(waits, 1 + count, &deadline) : iopause_stamp(waits, 1, NULL, &STAMP);
    if (found < 0 && errno != EINTR) {
        log_failure("judge-failed", "poll", errno);
        return false;
    }
    if (found <= 0) {
        tain_now_g();
        for (unsigned int i = 0; i <= count; i++)
            waits[i].revents = 0;
    }
    *ready = waits[0].revents != 0;
    if (count > 0)
        asking_serve(&judge->asking, waits + 1);
    return true;
}

int judge_serve(struct judge *judge, int socket)
{
    int exit_code = 0;
    for (;;) {
        bool full, ready;
        if (!send_answers(socket, &full))
            return 0;
        if (!wait_and_serve(judge, socket, full, &ready))
            return 111;
        for (unsigned int i = 0; i < PLACES; i++)
            if (inquiries[i].open && inquiries[i].report.waiting)
                judge_examine(judge, &inquiries[i].question, &inquiries[i].report, false);
        /* No question is read while answers are to be sent: so they need no queue. */
        if (ready && !full && send_answers(socket, &full) && !full &&
            !take_question(judge, socket, &exit_code))
            return exit_code;
    }
}
