/* What the scheduler asks of ekiden-bounce: a unixmessage of text fields, each ended by NUL, with
 * two descriptors, both read-only: the queue file, then its notes (queue/notes.h).
 *
 *   NUMBER NUL KIND NUL ID NUL
 * KIND is `failure` (report all recipients marked `-`), `success` (all marked `!`) or `delay` (all
 * that are to be delivered and have a note D). Answered by a job_answer: K when the report is
 * durable in the queue, or when there is to be none (a text says why); Z when it has to be tried
 * again. */
#ifndef EKIDEN_REPORT_JOB_H
#define EKIDEN_REPORT_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "queue/queue_file.h"

enum report_kind { REPORT_FAILURE, REPORT_DELAY, REPORT_SUCCESS };
#define REPORT_KINDS 3

/* "failure" and so on: in an order, and in the log. */
char const *report_kind_name(enum report_kind kind);

struct report_job {
    uint64_t number;
    enum report_kind kind;
    char id[QUEUE_ID_LENGTH + 1]; /* of the message, for the log */
};

/* Appends the wire form. False when out of memory. */
bool report_job_format(stralloc *out, struct report_job const *job);

/* False when BYTES are not of the form; job->number is then 0 unless it could be read. */
bool report_job_parse(struct report_job *job, char const *bytes, size_t length);

#endif
