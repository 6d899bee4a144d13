#include "deliver/remote_delivery.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/types.h>

#include "deliver/remote_envelope.h"
#include "deliver/remote_scan.h"
#include "lib/log.h"

#define SESSION_TIMEOUTS 3 /* times timeoutremote: what a session may take beside its data */
#define DATA_SECONDS_MAX (4 * 86400) /* for the data of the largest message */
#define LEAVE_SECONDS    60          /* for QUIT and for a process that is behind */

/* What is to be done after a server. STALE: a connection that was used before is of no more use. */
enum step {
    STEP_STALE,
    STEP_DONE,
    STEP_NEXT,
    STEP_NEXT_HOST,
    STEP_NEXT_WAY,
    STEP_IN_CLEAR,
    STEP_WITHOUT_CHUNKS
};

/* One way, while it is gone. */
struct course {
    struct remote_delivery const *delivery;
    struct remote_way const *way;
    unsigned int number; /* of the way */
    bool is_last;        /* there is no other way behind it */
    tain end;            /* no further server is tried after that */
    struct remote_connection *connection;
    struct remote_transaction *transaction;
    struct failure *failure; /* of the last server, or look-up */
    bool *was_reached;       /* the failure of one was not that it could not be reached */
};

/* Takes down what FAILURE says of the whole destination. */
static void note_failure(struct course const *course)
{
    *course->was_reached |= course->failure->result != JOB_UNREACHABLE;
}

/* What a session may take: a server that sends an octet every few minutes keeps to each of the
 * single timeouts and would never end. */
static unsigned int session_seconds(struct remote_settings const *settings, uint64_t length)
{
    uint64_t const data = length / 1024;
    return SESSION_TIMEOUTS * (unsigned int)settings->timeoutremote +
           (unsigned int)(data < DATA_SECONDS_MAX ? data : DATA_SECONDS_MAX);
}

unsigned int remote_delivery_seconds(struct remote_settings const *settings, uint64_t length)
{
    /* On the wire each line end may take a byte more. */
    unsigned int const session = session_seconds(settings, 2 * length);
    return session + SMTPROUTES_HOSTS_MAX * (REMOTE_TRY_SECONDS + session) + LEAVE_SECONDS;
}

static uint64_t count_results(struct remote_transaction const *transaction, enum job_result result)
{
    uint64_t count = 0;
    for (unsigned int i = 0; i < transaction->count; i++)
        count += transaction->recipients[i].settled &&
                 transaction->recipients[i].failure.result == result;
    return count;
}

/* --- the log --- */

/* What became of TLS and AUTH. */
static void log_session(struct log_line *line, struct remote_session const *session)
{
    struct remote_tls const *const tls = &session->tls;
    log_text(line, "tls",
             tls->active               ? tls->handshake.version
             : session->tls_problem[0] ? "failed-clear"
                                       : "none");
    if (tls->active) {
        log_text(line, "suite", tls->handshake.suite);
        log_text(line, "certificate", tls->handshake.verified ? "verified" : "unverified");
    } else if (session->tls_problem[0]) {
        log_text(line, "tls-reason", session->tls_problem);
    }
    if (session->logged_in)
        log_text(line, "auth", session->way->reference);
}

/* The server of the connection, as the log shows it. REASON may be NULL. */
static void log_attempt(struct course const *course, char const *result, bool connected,
                        char const *reason)
{
    struct remote_connection const *const connection = course->connection;
    struct log_line line;
    char ip[IP46_FMT + 1];
    ip[ip46_fmt(ip, &connection->candidate.ip)] = 0;
    log_begin(&line, "remote-attempt");
    log_text(&line, "domain", course->way->host);
    log_text(&line, "host", connection->candidate.host);
    if (course->way->port) {
        log_text(&line, "ip", ip);
        log_number(&line, "port", course->way->port);
    }
    if (course->way->lmtp)
        log_text(&line, "protocol", "lmtp");
    log_text(&line, "result", result);
    log_number(&line, "recipients", course->transaction->count);
    log_number(&line, "delivered", count_results(course->transaction, JOB_DELIVERED));
    log_number(&line, "failed", count_results(course->transaction, JOB_FAILED));
    if (connected) {
        log_session(&line, &connection->session);
        log_number(&line, "transaction", connection->count);
    }
    if (reason)
        log_text(&line, "reason", reason);
    log_write(&line);
}

static void log_without_server(struct remote_way const *way, struct failure const *failure)
{
    struct log_line line;
    log_begin(&line, "remote-no-server");
    log_text(&line, "domain", way->host);
    log_text(&line, "reason", failure->text);
    log_write(&line);
}

/* --- one server --- */

/* All are settled: hands the results on, and keeps the connection or leaves the server. */
static void settle(struct remote_delivery const *delivery, struct remote_connection *connection,
                   struct remote_transaction const *transaction)
{
    bool const stays =
        delivery->connection && remote_connection_may_stay(connection, delivery->settings);
    delivery->report(delivery->context, transaction,
                     stays && connection->session.state == REMOTE_SESSION_READY);
    if (stays)
        remote_session_reset(&connection->session);
    if (!stays || connection->session.state != REMOTE_SESSION_READY)
        remote_connection_leave(connection);
}

/* The session, on its connection, to the report. */
static enum step run_session(struct course *course)
{
    static enum step const steps[] = {[REMOTE_SETTLED] = STEP_DONE,
                                      [REMOTE_NEXT] = STEP_NEXT,
                                      [REMOTE_NEXT_HOST] = STEP_NEXT_HOST,
                                      [REMOTE_STALE] = STEP_STALE,
                                      [REMOTE_WITHOUT_CHUNKS] = STEP_WITHOUT_CHUNKS,
                                      [REMOTE_IN_CLEAR] = STEP_IN_CLEAR};
    struct remote_transaction *const transaction = course->transaction;
    struct remote_delivery const *const delivery = course->delivery;
    struct remote_connection *const connection = course->connection;
    struct remote_session *const session = &connection->session;
    connection->count++;
    enum step step = steps[remote_session_run(session, transaction, course->failure)];
    if (step == STEP_DONE && !course->is_last && !session->sent &&
        remote_envelope_reopen(transaction, course->failure))
        step = STEP_NEXT_WAY;
    if (step == STEP_DONE) {
        log_attempt(course, "settled", true, NULL);
        settle(delivery, connection, transaction);
        return step;
    }
    log_attempt(course, step == STEP_STALE ? "stale" : "next", true, course->failure->text);
    remote_connection_leave(connection);
    return step;
}

/* Connects until MOST. */
static bool make_connection(struct course const *course, tain const *most)
{
    struct remote_delivery const *const delivery = course->delivery;
    if (remote_connection_make(course->connection, delivery->settings, delivery->world->ourselves,
                               most, course->failure))
        return true;
    log_attempt(course, "unreachable", course->connection->session.in_clear, course->failure->text);
    return false;
}

static void set_deadline(struct course const *course)
{
    tain_addsec_g(
        &course->connection->session.deadline,
        (int)session_seconds(course->delivery->settings, course->transaction->message.wire_length));
}

static enum step try_candidate(struct course *course, struct remote_candidate const *candidate,
                               bool authenticated)
{
    struct remote_delivery const *const delivery = course->delivery;
    struct remote_session *const session = &course->connection->session;
    if (!remote_connection_prepare(course->connection, delivery->settings, course->way,
                                   course->number, candidate, authenticated, delivery->tls_service,
                                   course->failure)) {
        log_attempt(course, "unverifiable", false, course->failure->text);
        return STEP_NEXT;
    }
    if (!make_connection(course, &course->end))
        return STEP_NEXT;
    set_deadline(course);
    for (;;) {
        enum step const step = run_session(course);
        /* each of them once: it is not asked for again */
        if (step == STEP_IN_CLEAR)
            session->in_clear = true;
        else if (step == STEP_WITHOUT_CHUNKS)
            session->without_chunks = true;
        else
            return step;
        if (!make_connection(course, &session->deadline))
            return STEP_NEXT;
    }
}

/* The connection that is open from the transaction before. True when all recipients are settled,
 * and reported. What went wrong there is no failure: the mail goes the usual way. */
static bool go_on(struct course *course)
{
    struct remote_session *const session = &course->connection->session;
    if (session->state != REMOTE_SESSION_READY)
        return false;
    tain_now_g();
    set_deadline(course);
    return run_session(course) == STEP_DONE;
}

/* --- all of them --- */

/* True when all recipients are settled, and reported. */
static bool go(struct course *course)
{
    struct remote_candidates candidates;
    char const *refused = ""; /* the host that refused our password, whatever its address */
    if (!remote_exchangers_find(&candidates, course->delivery->world, course->way->host,
                                course->way->by_mx, &course->end, course->failure)) {
        log_without_server(course->way, course->failure);
        note_failure(course);
        return false;
    }
    for (unsigned int i = 0; i < candidates.count; i++) {
        struct remote_candidate const *const candidate = candidates.entries + i;
        tain_now_g();
        if (!tain_future(&course->end))
            break; /* what the last one did stays the reason */
        if (strcmp(candidate->host, refused) == 0)
            continue;
        enum step const step = try_candidate(course, candidate, candidates.authenticated);
        if (step == STEP_DONE)
            return true;
        note_failure(course);
        switch (step) {
        case STEP_NEXT_WAY:
            return false;
        case STEP_NEXT_HOST:
            refused = candidate->host;
            if (course->delivery->refused)
                course->delivery->refused(course->delivery->context, course->number);
            break;
        default:
            break;
        }
    }
    return false;
}

/* True when a login of this way was refused so lately that it is not tried: *failure says so. */
static bool is_refused(struct course const *course)
{
    struct remote_way const *const way = course->way;
    struct failure *const failure = course->failure;
    if (!course->delivery->refusals || !remote_refusals_has(course->delivery->refusals, way))
        return false;
    failure->result = JOB_DEFERRED;
    snprintf(failure->text, sizeof failure->text,
             "4.7.8 %.200s refused authroutes %.64s a moment ago: it is not asked again for %u "
             "minutes, or until the settings change",
             way->host, way->reference, REMOTE_REFUSALS_SECONDS / 60);
    log_without_server(way, failure);
    note_failure(course);
    return true;
}

/* The same; otherwise *failure is what holds for those that are not settled. A way that leads
 * nowhere leaves time for the other. */
static bool go_all(struct remote_delivery const *delivery, struct remote_connection *connection,
                   struct remote_transaction *transaction, struct failure *failure)
{
    struct remote_ways const *const ways = delivery->ways;
    bool was_reached = false;
    struct course course = {.delivery = delivery,
                            .way = ways->ways + connection->way,
                            .number = connection->way,
                            .is_last = true,
                            .connection = connection,
                            .transaction = transaction,
                            .failure = failure,
                            .was_reached = &was_reached};
    if (go_on(&course))
        return true;
    for (unsigned int i = 0; i < ways->count; i++) {
        course.way = ways->ways + i;
        course.number = i;
        course.is_last = i + 1 == ways->count;
        tain_now_g();
        tain_addsec_g(&course.end, course.is_last ? REMOTE_TRY_SECONDS : REMOTE_TRY_SECONDS / 2);
        if (!is_refused(&course) && go(&course))
            return true;
    }
    if (was_reached && failure->result == JOB_UNREACHABLE)
        failure->result = JOB_DEFERRED;
    return false;
}

void remote_delivery_run(struct remote_delivery const *delivery,
                         struct remote_transaction *transaction)
{
    struct remote_connection own;
    struct remote_connection *const connection = delivery->connection ? delivery->connection : &own;
    struct failure failure;
    if (!delivery->connection)
        remote_connection_clear(&own);
    connection->total++;
    failure_set(&failure, JOB_UNREACHABLE, "4.4.1 no server was tried in time");
    switch (remote_scan_message(&transaction->message)) {
    case REMOTE_SCAN_OK:
        if (go_all(delivery, connection, transaction, &failure))
            return;
        break;
    case REMOTE_SCAN_CORRUPT:
        failure_set(&failure, JOB_CORRUPT, "4.3.0 the queue file is damaged");
        break;
    case REMOTE_SCAN_ERROR:
        failure_system(&failure, "the queue file cannot be read", "", errno);
        break;
    }
    remote_envelope_settle(transaction, &failure);
    settle(delivery, connection, transaction);
}
