#include "smtpd/arrival.h"

#include <stdio.h>
#include <time.h>

#include "smtpd/login_policy.h"
#include "smtpd/received.h"
#include "smtpd/results.h"
#include "smtpd/session.h"

/* Trace fields: what was found out about the client stands above the Received of its message. */
static bool add_trace(struct session *session)
{
    struct transaction const *transaction = &session->transaction;
    stralloc fields = STRALLOC_ZERO;
    struct results results = {.me = session->settings->routing.me,
                              .remote = &session->connection->remote,
                              .spf = &session->spf,
                              .smtputf8 = transaction->smtputf8};
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
    results.iprev = judgement_iprev(&session->judgement, &results.name);
    bool const done = results_format(&fields, &results) && received_format(&fields, &received);
    if (done)
        submit_message(&session->submit, fields.s, fields.len);
    stralloc_free(&fields);
    return done;
}

static void put(void *context, char const *bytes, size_t length)
{
    struct session *const session = context;
    submit_message(&session->submit, bytes, length);
}

static enum arrival_care care_for(struct session const *session)
{
    if (session->connection->role != ROLE_MX)
        return ARRIVAL_SUBMISSION;
    return policy_is_exempt(session->connection) ? ARRIVAL_AS_IT_IS : ARRIVAL_STRANGER;
}

static void open_submission(struct session *session)
{
    struct arrival *const arrival = &session->arrival;
    char name[QUEUE_ID_LENGTH + 1];
    char const *const id = session->submit.id[0] ? session->submit.id : name;
    if (id == name)
        queue_file_name(name);
    (void)date_format(arrival->date, time(0));
    snprintf(arrival->message_id, sizeof arrival->message_id, "<%s@%s>", id,
             session->settings->routing.me);
    submission_start(&arrival->submission, put, session, arrival->date, arrival->message_id);
}

void arrival_open(struct session *session, enum data_form form)
{
    struct transaction *transaction = &session->transaction;
    struct arrival *const arrival = &session->arrival;
    arrival->stage = ARRIVAL_OPEN;
    data_start(&arrival->data, form);
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
    arrival->memory = arrival->memory || !add_trace(session);
    arrival->care = care_for(session);
    if (arrival->care == ARRIVAL_SUBMISSION)
        open_submission(session);
    else if (arrival->care == ARRIVAL_STRANGER)
        results_filter_start(&arrival->results, put, session, session->settings->routing.me);
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

void arrival_abandon(struct session *session)
{
    submit_abort(&session->submit);
    session->arrival.abandoned = true;
}

static void hand_on_submission(struct session *session, char const *bytes, size_t length,
                               bool ended)
{
    struct arrival *const arrival = &session->arrival;
    struct submission *const submission = &arrival->submission;
    submission_add(submission, bytes, length);
    if (ended)
        submission_end(submission);
    if (arrival->judged || !submission_header_is_over(submission))
        return;
    arrival->judged = true;
    if (session->settings->authcheckfrom)
        arrival->from = judge_from(session, submission);
    if (!policy_accepts(arrival->from))
        arrival_abandon(session);
}

/* Hands on what is sound so far; ENDED: and it was all. */
static void hand_on(struct session *session, char const *bytes, size_t length, bool ended)
{
    struct results_filter *const results = &session->arrival.results;
    switch (session->arrival.care) {
    case ARRIVAL_SUBMISSION:
        hand_on_submission(session, bytes, length, ended);
        break;
    case ARRIVAL_STRANGER:
        results_filter_add(results, bytes, length);
        if (ended)
            results_filter_end(results);
        break;
    case ARRIVAL_AS_IT_IS:
        if (length > 0)
            submit_message(&session->submit, bytes, length);
        break;
    }
}

/* Looks at what was decoded. */
static void pass(struct session *session, char const *bytes, size_t length, bool ended)
{
    struct arrival *const arrival = &session->arrival;
    uint64_t const limit = session->settings->databytes;
    if (arrival->abandoned)
        return;
    hops_add(&arrival->hops, bytes, length);
    arrival->too_large = limit > 0 && arrival->data.size > limit;
    if (arrival->data.defects || arrival->too_large || arrival->hops.count >= HOPS_MAX ||
        arrival->memory)
        arrival_abandon(session);
    else
        hand_on(session, bytes, length, ended);
}

bool arrival_take(struct session *session, size_t most, size_t *used)
{
    struct stream *const stream = &session->stream;
    char *const bytes = stream->input + stream->start;
    size_t const held = stream->end - stream->start;
    size_t produced;
    bool const finished =
        data_decode(&session->arrival.data, bytes, held < most ? held : most, used, &produced);
    stream->start += *used;
    pass(session, bytes, produced, finished);
    return finished;
}

void arrival_finish(struct session *session)
{
    char line_end;
    size_t const length = data_finish(&session->arrival.data, &line_end);
    pass(session, &line_end, length, true);
}
