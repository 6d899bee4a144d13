#include "queue/bounce.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "queue/bounce_reason.h"
#include "queue/bounce_report.h"
#include "queue/inject_client.h"
#include "queue/verp.h"
#include "queue/wake.h"

#define BOUNDARY_BEGIN "=_" /* cannot come out of quoted-printable (RFC 2045 6.7) */

/* Room for the boundary, with its NUL. */
#define BOUNDARY_SIZE (sizeof BOUNDARY_BEGIN + QUEUE_ID_LENGTH)

static char const *const kind_names[] = {[BOUNCE_FAILED] = "failure",
                                         [BOUNCE_DELAYED] = "delay",
                                         [BOUNCE_DOUBLE] = "double",
                                         [BOUNCE_SUCCESS] = "success"};

/* Decides whom to tell. NULL: nobody, *why says it. */
static char const *find_reader(struct bounce const *bounce, enum report_kind kind,
                               char const *sender, char owner[VERP_SIZE], enum bounce_kind *as,
                               char const **why)
{
    *as = kind == REPORT_DELAY     ? BOUNCE_DELAYED
          : kind == REPORT_SUCCESS ? BOUNCE_SUCCESS
                                   : BOUNCE_FAILED;
    if (strcmp(sender, BOUNCE_DOUBLE_SENDER) == 0) {
        *why = "a double bounce is not reported";
        return NULL;
    }
    if (*sender)
        return verp_owner(owner, sender);
    if (kind != REPORT_FAILURE) {
        *why = "the message has no sender";
        return NULL;
    }
    *as = BOUNCE_DOUBLE;
    *why = "doublebounceto is empty";
    return bounce->settings.double_to;
}

static char const *refuses_delay_report(struct bounce_header const *header)
{
    if (header->automatic)
        return "the message was sent automatically";
    if (header->bulk)
        return "the message has a Precedence of bulk, list or junk";
    if (header->list)
        return "the message came from a list";
    return NULL;
}

static void log_end(struct bounce const *bounce, struct report_job const *job, char const *event,
                    char const *kind, char const *key, char const *value)
{
    struct log_line line;
    log_begin(&line, event);
    log_text(&line, "id", job->id);
    log_text(&line, "kind", kind);
    log_number(&line, "recipients", bounce->failures.count);
    log_text(&line, key, value);
    log_write(&line);
}

/* Nobody is told, for good. */
static void discard(struct bounce const *bounce, struct report_job const *job, char const *why,
                    struct failure *answer)
{
    log_end(bounce, job, "report-discarded", report_kind_name(job->kind), "reason", why);
    answer->result = JOB_DELIVERED;
    snprintf(answer->text, sizeof answer->text, "2.0.0 no report: %s", why);
}

/* ANSWER says why; the scheduler asks again. */
static void log_deferred(struct bounce const *bounce, struct report_job const *job,
                         struct failure const *answer)
{
    log_end(bounce, job, "report-deferred", report_kind_name(job->kind), "reason", answer->text);
}

static void put_envelope(struct queue_file *file, enum bounce_kind kind, char const *to)
{
    char const *const sender = kind == BOUNCE_DOUBLE ? BOUNCE_DOUBLE_SENDER : "";
    queue_file_envelope(file, "F", 1);
    queue_file_envelope(file, sender, strlen(sender) + 1);
    queue_file_envelope(file, "T", 1);
    queue_file_envelope(file, to, strlen(to) + 1);
    queue_file_envelope(file, "", 1);
}

/* How large may the original be to come back whole? RFC 3461 4.3: FULL is about failures only, and
 * what says nothing of one returns headers; a sender that knows nothing of RET gets with a delay
 * what he got before. */
static uint64_t find_limit(struct bounce const *bounce, struct bounce_report const *report)
{
    enum dsn_return const wish = report->message->return_wish;
    if (bounce->failures.count > BOUNCE_WHOLE_RECIPIENTS_MAX || wish == DSN_RETURN_HEADERS ||
        report->kind == BOUNCE_SUCCESS || (report->kind == BOUNCE_DELAYED && wish))
        return 0;
    return bounce->settings.max_bytes;
}

/* Plans the original with a boundary that does not stand in it. */
static bool plan_original(struct bounce_original *original, uint64_t limit,
                          char boundary[BOUNDARY_SIZE])
{
    enum bounce_read result;
    memcpy(boundary, BOUNDARY_BEGIN, sizeof BOUNDARY_BEGIN);
    do {
        queue_file_name(boundary + sizeof BOUNDARY_BEGIN - 1);
        result = bounce_original_plan(original, limit, boundary);
    } while (result == BOUNCE_READ_BOUNDARY);
    return result == BOUNCE_READ_OK;
}

/* The durable part, in order; queue_file_commit does its last steps. False: errno, or the file has
 * a status that is not QUEUE_OK. */
static bool commit_report(struct bounce *bounce, struct bounce_report *report)
{
    struct bounce_writer writer;
    bool const utf8 = bounce_is_utf8(report->to, strlen(report->to));
    queue_file_create(&bounce->file, bounce->folder, report->id,
                      utf8 ? QUEUE_8BIT | QUEUE_UTF8 : 0);
    put_envelope(&bounce->file, report->kind, report->to);
    bounce_writer_start(&writer, &bounce->file);
    if (!bounce_report_write(report, &writer)) {
        int const saved = errno;
        queue_file_abort(&bounce->file);
        errno = saved;
        return false;
    }
    if (queue_file_commit(&bounce->file) != QUEUE_OK)
        return false;
    queue_count_add(bounce->count, 1);
    return true;
}

static void make_report(struct bounce *bounce, struct report_job const *job,
                        struct bounce_report *report, struct bounce_original *original,
                        struct failure *answer)
{
    char id[QUEUE_ID_LENGTH + 1], boundary[BOUNDARY_SIZE];
    time_t const now = time(NULL);
    bounce->file.status = QUEUE_OK;
    if (!plan_original(original, find_limit(bounce, report), boundary)) {
        failure_system(answer, "the queue file cannot be read", "", errno);
        log_deferred(bounce, job, answer);
        return;
    }
    queue_file_name(id);
    report->id = id;
    report->about = job->id;
    report->boundary = boundary;
    report->now = now > 0 ? (uint64_t)now : 0;
    report->settings = &bounce->settings;
    report->failures = &bounce->failures;
    report->original = original;
    if (commit_report(bounce, report)) {
        wake_scheduler(bounce->wake, id);
        log_end(bounce, job, "report", kind_names[report->kind], "report", id);
        answer->result = JOB_DELIVERED;
        snprintf(answer->text, sizeof answer->text, "2.0.0 report %s", id);
    } else if (bounce->file.status != QUEUE_OK) {
        failure_set(answer, JOB_DEFERRED, inject_client_explain(bounce->file.status));
        log_deferred(bounce, job, answer);
    } else {
        failure_system(answer, "the report cannot be made", "", errno);
        log_deferred(bounce, job, answer);
    }
    stralloc_free(&report->text);
}

static void serve_message(struct bounce *bounce, struct report_job const *job,
                          struct queue_message const *message, int descriptor, int notes,
                          struct failure *answer)
{
    struct bounce_report report = {.message = message};
    struct bounce_original original;
    char owner[VERP_SIZE];
    char const *why = NULL;
    if (!bounce_failures_find(&bounce->failures, job->kind, message, notes) ||
        bounce_original_open(&original, descriptor, message) != BOUNCE_READ_OK) {
        failure_system(answer, "the message or its notes cannot be read", "", errno);
        log_deferred(bounce, job, answer);
        return;
    }
    report.to = find_reader(bounce, job->kind, message->sender, owner, &report.kind, &why);
    if (!bounce->failures.count) {
        report.to = NULL;
        why = "no recipient to report";
    }
    if (report.to && job->kind == REPORT_DELAY && (why = refuses_delay_report(&original.header)))
        report.to = NULL;
    if (report.to)
        make_report(bounce, job, &report, &original, answer);
    else
        discard(bounce, job, why, answer);
}

void bounce_serve(struct bounce *bounce, struct report_job const *job, int message, int notes,
                  struct failure *answer)
{
    struct queue_message head;
    failure_clear(answer);
    bounce->failures.count = 0;
    switch (queue_file_read(message, &head)) {
    case QUEUE_READ_OK:
        serve_message(bounce, job, &head, message, notes, answer);
        queue_message_free(&head);
        break;
    case QUEUE_READ_INCOMPLETE:
    case QUEUE_READ_LOCKED:
    case QUEUE_READ_CORRUPT:
        failure_set(answer, JOB_DEFERRED, "4.3.0 the queue file is damaged or not complete");
        log_deferred(bounce, job, answer);
        break;
    case QUEUE_READ_ERROR:
        failure_system(answer, "the queue file cannot be read", "", errno);
        log_deferred(bounce, job, answer);
        break;
    }
}
