/* The recipients that a report is about, what became of them, and why: of however many, in bounded
 * memory. Most reports are of failures; the few of success are found in the same way. */
#ifndef EKIDEN_BOUNCE_FAILURES_H
#define EKIDEN_BOUNCE_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/job.h"
#include "queue/notes.h"
#include "queue/queue_file.h"
#include "queue/report_job.h"

#define BOUNCE_SHOWN_MAX                                                                           \
    1000 /* recipients whose reasons are kept; the report has room for fewer                       \
          */

struct bounce_failure {
    uint32_t index;              /* of the recipient in the envelope */
    enum notes_letter letter;    /* of its last note: for a success what became of it */
    char text[JOB_TEXT_MAX + 1]; /* its last note; a general one where there is none */
};

struct bounce_failures {
    uint32_t count; /* all of them */
    uint32_t shown; /* how many stand in LIST: the first ones, in the order of the envelope */
    bool utf8;      /* an address, an original one, or a reason in LIST is no ASCII, and UTF-8 */
    struct bounce_failure list[BOUNCE_SHOWN_MAX];
};

/* Finds them: for REPORT_FAILURE those with the mark `-`, for REPORT_SUCCESS those with `!`, for
 * REPORT_DELAY those with a note D that are still to be delivered. NOTES is read from its start.
 * False: errno. */
bool bounce_failures_find(struct bounce_failures *failures, enum report_kind kind,
                          struct queue_message const *message, int notes);

#endif
