/* A copy of a message's bytes for programs to read: without the envelope, from its start, nobody
 * else's. */
#ifndef EKIDEN_MESSAGE_STAGE_H
#define EKIDEN_MESSAGE_STAGE_H

#include <stdbool.h>

#include "deliver/failure.h"

#define MESSAGE_STAGE_MEMORY (1u << 20) /* bytes; a larger message goes to a file */

/* Copies JOB's message from FROM (by pread) into memory that is sealed against any change, or, when
 * it is larger, into a file without a name in the current folder. Returns a descriptor
 * (close-on-exec), or -1: FAILURE says why (JOB_CORRUPT where length or checksum do not fit). */
int message_stage(struct job const *job, int from, struct failure *failure);

/* The same for a message that is all FROM has, from where it stands to its end; JOB gets offset,
 * length and sum of the copy. */
int message_stage_all(struct job *job, int from, struct failure *failure);

/* A descriptor of its own on the same copy, read-only and at its start. -1: errno. */
int message_stage_open(int stage);

#endif
