/* Appending a message to an mbox file (mbox(5)). */
#ifndef EKIDEN_MBOX_H
#define EKIDEN_MBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/message_copy.h"

#define MBOX_LOCK_SECONDS                                                                          \
    30 /* how long is waited for a lock that another program holds, at most                        \
        */

/* Appends JOB's message, read from FROM (by pread), to the file PATH, which is made (mode 0600)
 * when it is missing: FROM_LINE (with its LF), Return-Path, Delivered-To, the message with its
 * `From ` lines quoted, an empty line. The file is locked by fcntl and by flock for as long, and
 * durable before this returns. *written is the number of bytes.
 *
 * False: FAILURE says why, and the file has its old length again. After a crash in between it may
 * end in a part of the message, which was not acknowledged and is delivered once more; what is
 * appended next begins on a line of its own. */
bool mbox_append(char const *path, char const *from_line, struct message_copy *copy,
                 struct job const *job, int from, uint64_t *written, struct failure *failure);

#endif
