#include "queue/send_report.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/notes.h"
#include "queue/report_job.h"
#include "queue/send_marks.h"

static void log_report(struct send_message const *message, char const *result, char const *text,
                       int number)
{
    struct log_line line;
    log_begin(&line, "report");
    log_text(&line, "id", message->id);
    log_text(&line, "kind", report_kind_name(message->report));
    log_text(&line, "result", result);
    if (text)
        log_text(&line, "text", text);
    if (number)
        log_errno(&line, number);
    log_write(&line);
}

void send_report_ask(struct send *send, struct send_message *message, enum report_kind kind)
{
    message->asked[kind] = true;
    message->report = kind;
    send_active_push_report(&send->active, message);
}

/* A message that was marked by a version without notes has none; the report says then that the
 * reason is not known. */
static int open_notes(struct send *send, struct send_message const *message)
{
    stralloc const none = STRALLOC_ZERO;
    int notes = notes_open(send->queue, message->id);
    if (notes < 0 && errno == ENOENT && notes_append(send->queue, message->id, &none))
        notes = notes_open(send->queue, message->id);
    return notes;
}

static bool hand_out(struct send *send, struct send_message *message, unsigned int agent)
{
    stralloc bytes = STRALLOC_ZERO;
    struct report_job job = {.kind = message->report};
    int const notes = open_notes(send, message);
    if (notes < 0)
        return false;
    struct send_job *const noted = send_jobs_add(&send->jobs, message, SEND_JOB_REPORT, agent);
    job.number = noted->number;
    memcpy(job.id, message->id, sizeof job.id);
    bool put = report_job_format(&bytes, &job);
    if (put)
        put = send_agent_put(send->agents + agent, &bytes, 1,
                             (int const[]){message->descriptor, notes}, 2);
    else
        close(notes);
    stralloc_free(&bytes);
    if (put)
        message->in_flight++;
    else
        send_jobs_remove(&send->jobs, noted);
    return put;
}

void send_report_turn(struct send *send)
{
    for (;;) {
        unsigned int const agent =
            send_agent_least_loaded(send->agents, send->agent_count, SEND_AGENT_BOUNCE);
        if (agent == send->agent_count || send->agents[agent].in_flight >= SEND_JOBS_REPORTS_MAX)
            return;
        struct send_message *const message = send_active_pop_report(&send->active);
        if (!message)
            return;
        if (!hand_out(send, message, agent)) {
            log_report(message, "deferred", "cannot be asked for now", errno);
            send_active_touch(&send->active, message);
        }
        send_active_reckon(&send->active, message);
    }
}

static void take_success(struct send *send, struct send_message *message)
{
    stralloc line = STRALLOC_ZERO;
    if (message->report != REPORT_DELAY) {
        send_marks_reported(message, message->report == REPORT_FAILURE ? ENVELOPE_FAILED
                                                                       : ENVELOPE_DELIVERED);
        return;
    }
    /* A crash before this is on the disk costs one more warning. */
    if (!notes_format(&line, NOTES_WARNED, 0, "") || !notes_append(send->queue, message->id, &line))
        log_report(message, "not-noted", "the warning may be repeated", errno);
    stralloc_free(&line);
}

void send_report_answer(struct send *send, struct send_message *message,
                        struct job_answer const *answer)
{
    switch (answer->result) {
    case JOB_DELIVERED:
    case JOB_RELAYED:
    case JOB_PASSED_ON:
    case JOB_EXPANDED:
        log_report(message, "made", answer->text, 0);
        take_success(send, message);
        break;
    case JOB_CORRUPT:
        log_report(message, "corrupt", answer->text, 0);
        message->corrupt = true;
        break;
    case JOB_FAILED: /* it has no right to: a report is never given up */
    case JOB_DEFERRED:
    case JOB_UNREACHABLE:
        log_report(message, "deferred", answer->text, 0);
        break;
    }
    send_active_touch(&send->active, message);
}
