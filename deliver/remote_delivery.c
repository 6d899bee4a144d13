#include "deliver/remote_delivery.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "deliver/remote_connect.h"
#include "deliver/remote_scan.h"
#include "lib/log.h"

#define SESSION_TIMEOUTS 3 /* times timeoutremote: what a session may take beside its data */
#define DATA_SECONDS_MAX (4 * 86400) /* for the data of the largest message */
#define LEAVE_SECONDS    60          /* for QUIT and for a process that is behind */
#define PEER_MAX         (REMOTE_NAME_MAX + IP46_FMT + sizeof "[]:65535")

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
    return REMOTE_TRY_SECONDS + session_seconds(settings, 2 * length) + LEAVE_SECONDS;
}

static void settle_rest(struct remote_transaction *transaction, struct failure const *failure)
{
    for (unsigned int i = 0; i < transaction->count; i++)
        if (!transaction->recipients[i].settled) {
            transaction->recipients[i].settled = true;
            transaction->recipients[i].failure = *failure;
        }
}

static uint64_t count_results(struct remote_transaction const *transaction, enum job_result result)
{
    uint64_t count = 0;
    for (unsigned int i = 0; i < transaction->count; i++)
        count += transaction->recipients[i].settled &&
                 transaction->recipients[i].failure.result == result;
    return count;
}

/* One server, as the log shows it. REASON may be NULL. */
static void log_attempt(struct remote_way const *way, struct remote_candidate const *candidate,
                        char const *result, struct remote_transaction const *transaction,
                        char const *reason)
{
    struct log_line line;
    char ip[IP46_FMT + 1];
    ip[ip46_fmt(ip, &candidate->ip)] = 0;
    log_begin(&line, "remote-attempt");
    log_text(&line, "domain", way->host);
    log_text(&line, "host", candidate->host);
    log_text(&line, "ip", ip);
    log_number(&line, "port", way->port);
    log_text(&line, "result", result);
    log_number(&line, "recipients", transaction->count);
    log_number(&line, "delivered", count_results(transaction, JOB_DELIVERED));
    log_number(&line, "failed", count_results(transaction, JOB_FAILED));
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

static void format_peer(char peer[PEER_MAX], struct remote_candidate const *candidate,
                        uint16_t port)
{
    char ip[IP46_FMT + 1];
    ip[ip46_fmt(ip, &candidate->ip)] = 0;
    if (strcmp(ip, candidate->host) != 0)
        snprintf(peer, PEER_MAX, "%s[%s]:%u", candidate->host, ip, port);
    else
        snprintf(peer, PEER_MAX, "[%s]:%u", ip, port);
}

/* The session on the connection DESCRIPTOR. */
static enum remote_outcome run_session(struct remote_delivery const *delivery,
                                       struct remote_way const *way, int descriptor,
                                       char const *peer, struct remote_candidate const *candidate,
                                       struct remote_transaction *transaction,
                                       struct failure *failure)
{
    struct remote_settings const *const settings = delivery->settings;
    struct remote_session session = {.in = descriptor,
                                     .out = descriptor,
                                     .helo = settings->helo,
                                     .peer = peer,
                                     .timeout_seconds = (unsigned int)settings->timeoutremote};
    tain_addsec_g(&session.deadline,
                  (int)session_seconds(settings, transaction->message.wire_length));
    enum remote_outcome const outcome = remote_session_run(&session, transaction, failure);
    if (outcome == REMOTE_SETTLED) {
        log_attempt(way, candidate, "settled", transaction, NULL);
        delivery->report(delivery->context, transaction);
    } else {
        log_attempt(way, candidate, "next", transaction, failure->text);
    }
    remote_session_quit(&session);
    return outcome;
}

/* True when all recipients are settled, and reported. */
static bool try_candidate(struct remote_delivery const *delivery, struct remote_way const *way,
                          struct remote_candidate const *candidate, tain const *end,
                          struct remote_transaction *transaction, struct failure *failure)
{
    char peer[PEER_MAX];
    tain deadline;
    format_peer(peer, candidate, way->port);
    tain_addsec_g(&deadline, (int)delivery->settings->timeoutconnect);
    if (tain_less(end, &deadline))
        deadline = *end;
    int const descriptor =
        remote_connect(&candidate->ip, way->port, peer, delivery->settings,
                       way->by_mx ? delivery->world->ourselves : NULL, &deadline, failure);
    if (descriptor < 0) {
        log_attempt(way, candidate, "unreachable", transaction, failure->text);
        return false;
    }
    enum remote_outcome const outcome =
        run_session(delivery, way, descriptor, peer, candidate, transaction, failure);
    close(descriptor);
    return outcome == REMOTE_SETTLED;
}

/* True when all recipients are settled, and reported; otherwise *failure is what holds for those
 * that are not. */
static bool try_way(struct remote_delivery const *delivery, struct remote_way const *way,
                    tain const *end, struct remote_transaction *transaction,
                    struct failure *failure)
{
    struct remote_candidates candidates;
    if (!remote_exchangers_find(&candidates, delivery->world, way->host, way->by_mx, end,
                                failure)) {
        log_without_server(way, failure);
        return false;
    }
    for (unsigned int i = 0; i < candidates.count; i++) {
        tain_now_g();
        if (!tain_future(end))
            break; /* what the last one did stays the reason */
        if (try_candidate(delivery, way, candidates.entries + i, end, transaction, failure))
            return true;
    }
    return false;
}

/* The same, for all ways. */
static bool try_ways(struct remote_delivery const *delivery, struct remote_transaction *transaction,
                     struct failure *failure)
{
    struct remote_ways const *const ways = delivery->ways;
    tain end;
    tain_now_g();
    tain_addsec_g(&end, REMOTE_TRY_SECONDS);
    for (unsigned int i = 0; i < ways->count; i++)
        if (try_way(delivery, ways->ways + i, &end, transaction, failure))
            return true;
    return false;
}

void remote_delivery_run(struct remote_delivery const *delivery,
                         struct remote_transaction *transaction)
{
    struct failure failure;
    failure_set(&failure, JOB_DEFERRED, "4.4.1 no server was tried in time");
    switch (remote_scan_message(&transaction->message)) {
    case REMOTE_SCAN_OK:
        if (try_ways(delivery, transaction, &failure))
            return;
        break;
    case REMOTE_SCAN_CORRUPT:
        failure_set(&failure, JOB_CORRUPT, "4.3.0 the queue file is damaged");
        break;
    case REMOTE_SCAN_ERROR:
        failure_system(&failure, "the queue file cannot be read", "", errno);
        break;
    }
    settle_rest(transaction, &failure);
    delivery->report(delivery->context, transaction);
}
