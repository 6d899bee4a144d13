/* A batch: the deliveries that waited together share their syncs. (What an alias forwards is
 * durable by itself, in the queue, and waits here for the answers of the others only.)
 *
 * The order is what makes it safe: all files written to tmp/ (batch_add), all of them durable, all
 * renamed to new/, each new/ durable once, and only then the answers (batch_finish). Killed at any
 * moment it leaves at worst a file in tmp/, or a message delivered whose job is not answered.
 *
 * Where a journal keeps the order (lib/journal.h) the files' bytes go to the disk before the
 * renames, and one fsync of the folder of the last rename makes all that durable at once: a name in
 * new/ is never on the disk before its file's bytes, since that order is the journal's. */
#ifndef EKIDEN_BATCH_H
#define EKIDEN_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "deliver/forward.h"
#include "deliver/job.h"
#include "deliver/mail_quotas.h"
#include "deliver/maildir.h"
#include "deliver/message_copy.h"

#define BATCH_MAX MAILBOX_BATCH_MAX

struct batch_slot {
    stralloc bytes; /* owned: what JOB's strings point into */
    struct job job;
    struct maildir_file file;
    uint64_t written;       /* bytes of the file */
    bool has_quota;         /* the mailbox's: its count is kept */
    bool has_file;          /* a mailbox gets it: the file is to be made durable and published */
    struct failure failure; /* result JOB_DELIVERED: good so far */
};

struct batch {
    struct mailbox_cache mailboxes;
    struct maildir_namer namer;
    struct message_copy copy;
    struct forward *forward;    /* the caller's; NULL: aliases are deferred */
    struct mail_quotas *quotas; /* the caller's; NULL: there are none */
    size_t count;
    struct batch_slot slots[BATCH_MAX];
};

/* Hears one answer; its text is valid during the call. */
typedef void batch_answer_func(void *context, struct job_answer const *answer);

/* ROOT is the mail root (the caller's), HOST this machine's name. */
void batch_start(struct batch *batch, int root, char const *host);
void batch_free(struct batch *batch);

enum batch_add {
    BATCH_ADDED,
    BATCH_MALFORMED, /* no job, and not even a number to answer to */
    BATCH_NO_MEMORY
};

/* Takes the job in BYTES (copied) and writes its message, read from MESSAGE (a descriptor that
 * stays the caller's, -1 where none came), to tmp/. The batch must not be full. A failure of the
 * delivery is kept for its answer. */
enum batch_add batch_add(struct batch *batch, char const *bytes, size_t length, int message);

/* Makes the batch durable and calls ANSWER for each of its jobs. */
void batch_finish(struct batch *batch, batch_answer_func *answer, void *context);

/* Logs each job's end and empties the batch. Apart from batch_finish, so that no answer waits for a
 * log that is slow. */
void batch_clear(struct batch *batch);

#endif
