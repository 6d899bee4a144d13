#include "smtpd/message.h"

#include <stdio.h>
#include <string.h>

#include "lib/date.h"
#include "lib/hops.h"
#include "queue/queue_file.h"
#include "smtpd/data.h"
#include "smtpd/login_policy.h"
#include "smtpd/received.h"
#include "smtpd/submission.h"

/* A message while it arrives. */
struct arrival {
    struct data data;
    struct hops hops;
    bool memory; /* there was none for the Received field */
    bool too_large;
    bool abandoned; /* submit_abort was called; the rest is read and dropped */
    bool judged;    /* the header's From was */
    enum policy_rule from;
    char date[DATE_SIZE];
    char message_id[1 + QUEUE_ID_LENGTH + 1 + ADDRESS_DOMAIN_MAX + 2];
    struct submission submission; /* where users send; the last: touched only as far as used */
};

static bool add_received(struct session *session)
{
    struct transaction const *transaction = &session->transaction;
    stralloc field = STRALLOC_ZERO;
    struct received received = {
        .helo = session->helo,
        .helo_length = session->helo_length,
        .remote = session->connection->has_remote ? &session->connection->remote : 0,
        .me = session->settings->routing.me,
        .id = session->submit.id,
        .extended = session->extended,
        .smtputf8 = transaction->smtputf8,
        .encrypted = session->encrypted,
        .authenticated = session->login[0],
        .tls_version = session->tls_version,
        .tls_suite = session->tls_suite,
        .when = time(0)};
    if (transaction->recipients == 1) {
        received.recipient = transaction->envelope.s + transaction->first_recipient;
        received.recipient_length = transaction->first_length;
    }
    bool done = received_format(&field, &received);
    if (done)
        submit_message(&session->submit, field.s, field.len);
    stralloc_free(&field);
    return done;
}

static void put(void *context, char const *bytes, size_t length)
{
    struct session *const session = context;
    submit_message(&session->submit, bytes, length);
}

/* Users' messages may need completion; others' are never touched. */
static bool is_submission(struct session const *session)
{
    return session->connection->role != ROLE_MX;
}

static void open_submission(struct session *session, struct arrival *arrival)
{
    char name[QUEUE_ID_LENGTH + 1];
    char const *const id = session->submit.id[0] ? session->submit.id : name;
    if (id == name)
        queue_file_name(name);
    (void)date_format(arrival->date, time(0));
    snprintf(arrival->message_id, sizeof arrival->message_id, "<%s@%s>", id,
             session->settings->routing.me);
    submission_start(&arrival->submission, put, session, arrival->date, arrival->message_id);
}

static void open_message(struct session *session, struct arrival *arrival)
{
    struct transaction *transaction = &session->transaction;
    data_start(&arrival->data);
    hops_start(&arrival->hops);
    arrival->too_large = arrival->abandoned = arrival->judged = false;
    arrival->from = POLICY_WELCOME;
    submit_open(&session->submit, transaction->body_8bit, transaction->smtputf8);
    arrival->memory = !transaction_close(transaction);
    for (size_t done = 0; !arrival->memory && done < transaction->envelope.len;) {
        size_t piece = transaction->envelope.len - done;
        if (piece > STREAM_INPUT_SIZE)
            piece = STREAM_INPUT_SIZE;
        submit_envelope(&session->submit, transaction->envelope.s + done, piece);
        done += piece;
    }
    arrival->memory = arrival->memory || !add_received(session);
    if (is_submission(session))
        open_submission(session, arrival);
}

/* May the login write as the From that the header has? */
static enum policy_rule judge_from(struct session const *session,
                                   struct submission const *submission)
{
    if (submission->from_count != 1)
        return POLICY_FROM_NUMBER;
    if (submission->from_too_long)
        return POLICY_FROM_SYNTAX;
    return login_policy_from(session->settings, session->login, submission->from,
                             submission->from_length);
}

static void abandon(struct session *session, struct arrival *arrival)
{
    submit_abort(&session->submit); /* at once, so that its space is free again */
    arrival->abandoned = true;
}

/* Hands on what is sound so far; ENDED: and it was all. */
static void hand_on(struct session *session, struct arrival *arrival, char const *bytes,
                    size_t length, bool ended)
{
    struct submission *const submission = &arrival->submission;
    if (!is_submission(session)) {
        if (length > 0)
            submit_message(&session->submit, bytes, length);
        return;
    }
    submission_add(submission, bytes, length);
    if (ended)
        submission_end(submission);
    if (arrival->judged || !submission_header_is_over(submission))
        return;
    arrival->judged = true;
    if (session->settings->authcheckfrom)
        arrival->from = judge_from(session, submission);
    if (!policy_accepts(arrival->from))
        abandon(session, arrival);
}

/* Takes what the stream holds. True at the end of the message. */
static bool take(struct session *session, struct arrival *arrival)
{
    struct stream *stream = &session->stream;
    char *bytes = stream->input + stream->start;
    size_t used, produced;
    bool finished =
        data_decode(&arrival->data, bytes, stream->end - stream->start, &used, &produced);
    stream->start += used;
    if (arrival->abandoned)
        return finished;

    uint64_t limit = session->settings->databytes;
    hops_add(&arrival->hops, bytes, produced);
    arrival->too_large = limit > 0 && arrival->data.size > limit;
    if (arrival->data.defects || arrival->too_large || arrival->hops.count >= HOPS_MAX ||
        arrival->memory)
        abandon(session, arrival);
    else
        hand_on(session, arrival, bytes, produced, finished);
    return finished;
}

static char const *describe_defects(unsigned int defects)
{
    if (defects & DATA_NUL)
        return "a NUL octet stands in the message, which RFC 5321 4.5.2 and RFC 5322 do not allow";
    if (defects & DATA_BARE_LF)
        return "a bare LF stands in the message; lines end in CRLF only (RFC 5321 2.3.8)";
    return "a bare CR stands in the message; lines end in CRLF only (RFC 5321 2.3.8)";
}

static void refuse_arrival(struct session *session, struct arrival const *arrival)
{
    if (arrival->memory)
        session_refuse_text(session, 451, "4.3.0", "out of memory, please try again later",
                            "memory");
    else if (arrival->data.defects)
        session_refuse_text(session, 554, "5.6.0", describe_defects(arrival->data.defects),
                            "line-ends");
    else if (arrival->too_large)
        session_refuse_text(session, 552, "5.3.4", "the message is larger than this server takes",
                            "databytes");
    else if (!policy_accepts(arrival->from))
        session_refuse_rule(session, arrival->from, 0);
    else
        session_refuse_text(session, 554, "5.4.6",
                            "100 or more Received fields: the message is going round in a loop",
                            "hops");
}

/* The queue's exit codes as replies. What is not listed follows qmail: 11 to 40 are permanent. */
static struct {
    enum queue_status status;
    unsigned int number;
    char const *code, *text;
} const outcomes[] = {
    {QUEUE_ADDRESS_TOO_LONG, 554, "5.1.3", "the queue finds the envelope too long"},
    {QUEUE_REFUSED, 554, "5.7.1", "the queue refuses this message"},
    {QUEUE_NO_MEMORY, 451, "4.3.0", "the queue is out of memory, please try again later"},
    {QUEUE_TIMEOUT, 451, "4.3.0", "the queue took too long, please try again later"},
    {QUEUE_WRITE, 452, "4.3.1", "the queue's disk is full or failing, please try again later"},
    {QUEUE_READ, 451, "4.3.0", "the queue could not read, please try again later"},
    {QUEUE_CONFIGURATION, 451, "4.3.5", "the queue is not set up well, please try again later"},
    {QUEUE_NETWORK, 451, "4.4.1", "the queue's network failed, please try again later"},
    {QUEUE_ENVELOPE, 451, "4.3.0", "the queue could not read the envelope, please try again later"},
};

static void describe_status(struct reply *reply, enum queue_status status, char const *custom)
{
    if (status == QUEUE_CUSTOM && (custom[0] == 'D' || custom[0] == 'Z')) {
        bool permanent = custom[0] == 'D';
        reply_make(reply, permanent ? 554 : 451, permanent ? "5.7.1" : "4.3.0", custom + 1);
        return;
    }
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (outcomes[i].status == status) {
            reply_make(reply, outcomes[i].number, outcomes[i].code, outcomes[i].text);
            return;
        }
    if (status >= 11 && status <= 40)
        reply_make(reply, 554, "5.3.0", "the queue refuses this message");
    else
        reply_make(reply, 451, "4.3.0", "the queue is not working, please try again later");
}

static void commit(struct session *session, struct arrival const *arrival)
{
    struct reply reply;
    char id[QUEUE_ID_LENGTH + 1]; /* a copy: after the commit the next one's may stand there */
    memcpy(id, session->submit.id, sizeof id);
    enum queue_status status = submit_commit(&session->submit);
    if (status != QUEUE_OK) {
        describe_status(&reply, status, session->submit.text);
        session_refuse(session, &reply, "queue", 0);
        return;
    }
    session->accepted++;
    session->errors = session->idle = 0;
    session_log_accepted(session, id, arrival->data.size);
    reply_make(&reply, 250, "2.0.0", "ok, queued");
    if (id[0]) {
        reply_add(&reply, " as ");
        reply_add(&reply, id);
    }
    session_answer(session, &reply);
}

void message_receive(struct session *session)
{
    struct stream *stream = &session->stream;
    struct arrival arrival;

    session_answer_text(session, 354, 0, "go ahead, and end with a dot on a line of its own");
    /* The client starts sending while the message is opened, unless it has sent already. */
    if (stream->start == stream->end)
        (void)stream_flush(stream);
    open_message(session, &arrival);

    while (stream->start == stream->end || !take(session, &arrival)) {
        submit_flush(&session->submit); /* the injector works while we wait */
        stream_set_deadline(stream);
        enum stream_result result = stream_fill(stream);
        if (result != STREAM_OK) {
            if (!arrival.abandoned)
                submit_abort(&session->submit);
            session->end = session_end_of(result);
            return;
        }
    }
    if (arrival.abandoned)
        refuse_arrival(session, &arrival);
    else
        commit(session, &arrival);
    transaction_reset(&session->transaction);
}
