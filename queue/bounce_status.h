/* The part of a report that programs read: message/delivery-status (RFC 3464), or
 * message/global-delivery-status where something in it is UTF-8 (RFC 6533). */
#ifndef EKIDEN_BOUNCE_STATUS_H
#define EKIDEN_BOUNCE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "queue/bounce_failures.h"
#include "queue/bounce_settings.h"
#include "queue/bounce_writer.h"

struct bounce_status {
    bool delayed;
    char class; /* of the status codes: '2', '4', '5' */
    struct bounce_settings const *settings;
    struct queue_message const *message;
    struct bounce_failures const *failures;
    uint64_t end;   /* of the room that it has, as bytes of the report */
    stralloc *text; /* room for one thing after another; the caller's */
};

/* Writes the part from its Content-Type on. The recipients share the room: first each loses what
 * its server said, then the last ones are left out. False when out of memory. */
bool bounce_status_write(struct bounce_status const *status, struct bounce_writer *writer);

#endif
