/* The folders of the queue.
 *
 *   new/        accepted, never tried
 *   wheel/NNN/  deferred: QUEUE_SLOTS slots of QUEUE_SLOT_SECONDS;
 *               slot = due time / seconds mod slots
 *
 *   wheel/cursor  text: the time up to which slots have been taken; only a hint
 *
 *   notes/      ID: what is to be reported of the message ID (queue/notes.h)
 *   asked/      ID: what an operator wants of the message ID (queue/queue_asked.h)
 *   hold/       held by the operator
 *   bad/        unparsable, set aside
 *
 *   lock        held by the one scheduler
 *   wake        FIFO into which injectors write `ID LF`
 *   count       how many messages there are (queue/queue_count.h)
 *   reasons     why mail was put off (queue/reasons.h) */
#ifndef EKIDEN_QUEUE_LAYOUT_H
#define EKIDEN_QUEUE_LAYOUT_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/privilege.h"

#define QUEUE_SLOTS        512
#define QUEUE_SLOT_SECONDS 64 /* the ring holds 9.1 hours; no deferral is longer */

/* Makes what is missing below QUEUE (folders 0770, owner scheduler, group injector; FIFO and count
 * 0660; notes/ and asked/ are the scheduler's alone), durably; also what a queue of an older
 * version lacks. Where all is there it costs four stats. False after logging. */
bool queue_layout_make(int queue, struct privilege_user const *scheduler,
                       struct privilege_user const *injector);

#endif
