/* The text of a report: multipart/report of RFC 6522 with the delivery status of RFC 3464, and RFC
 * 6533 where an address or a reason is UTF-8.
 *
 * A report is 7-bit whatever it is about, so that it passes every server on its way: a report that
 * cannot be delivered tells nobody. What is not ASCII is quoted-printable, which RFC 6532 and 6533
 * allow in the message/global types. Only where the sender itself has a UTF-8 address must the
 * report ask for SMTPUTF8, for its own header has that address. */
#ifndef EKIDEN_BOUNCE_REPORT_H
#define EKIDEN_BOUNCE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "queue/bounce_failures.h"
#include "queue/bounce_original.h"
#include "queue/bounce_settings.h"
#include "queue/bounce_writer.h"
#include "queue/report_job.h"

/* About how many bytes a report may have when it is of many recipients. One with the whole original
 * may have more, as `bouncemaxbytes` allows. */
#define BOUNCE_REPORT_MAX 98000
/* With more recipients only the header of the original comes back. */
#define BOUNCE_WHOLE_RECIPIENTS_MAX 50

enum bounce_kind {
    BOUNCE_FAILED,  /* to the sender: recipients that failed for good */
    BOUNCE_DELAYED, /* to the sender: recipients that had to wait so far */
    BOUNCE_DOUBLE,  /* to the postmaster: a report that cannot be delivered */
    BOUNCE_SUCCESS  /* to the sender, who asked for it: recipients that were delivered to */
};

struct bounce_report {
    enum bounce_kind kind;
    char const *id;       /* of the report */
    char const *about;    /* id of the message that it is about */
    char const *to;       /* envelope recipient */
    char const *boundary; /* not in the original */
    uint64_t now;         /* seconds since 1970 */
    struct bounce_settings const *settings;
    struct queue_message const *message;
    struct bounce_failures const *failures;
    struct bounce_original const *original; /* planned */
    stralloc text;                          /* owned: room for one thing after another */
};

/* Writes the whole report. False: errno (memory, the queue file cannot be read); failures of the
 * report's own file are kept by its writer. */
bool bounce_report_write(struct bounce_report *report, struct bounce_writer *writer);

#endif
