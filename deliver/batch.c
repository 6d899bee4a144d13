#include "deliver/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <skalibs/djbunix.h>

#include "deliver/durable.h"
#include "deliver/maildir_quota.h"
#include "lib/log.h"

void batch_start(struct batch *batch, int root, char const *host)
{
    memset(batch, 0, sizeof *batch);
    mailbox_cache_start(&batch->mailboxes, root);
    maildir_namer_start(&batch->namer, host);
}

void batch_free(struct batch *batch)
{
    for (size_t i = 0; i < BATCH_MAX; i++)
        stralloc_free(&batch->slots[i].bytes);
    stralloc_free(&batch->copy.trace);
    mailbox_cache_free(&batch->mailboxes);
}

static bool is_good(struct batch_slot const *slot)
{
    return job_is_delivered(slot->failure.result);
}

static bool has_good_file(struct batch_slot const *slot)
{
    return slot->has_file && is_good(slot);
}

/* Adds up what good slots have for MAILBOX. */
static struct maildir_usage gather(struct batch const *batch, struct mailbox const *mailbox)
{
    struct maildir_usage sum = {.bytes = 0};
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_slot const *const slot = &batch->slots[i];
        if (slot->has_quota && has_good_file(slot) && slot->file.mailbox == mailbox) {
            sum.bytes += (int64_t)slot->written;
            sum.messages++;
        }
    }
    return sum;
}

/* The Maildir of an open mailbox. -1: it is gone. */
static int open_maildir(struct mailbox const *mailbox)
{
    return openat(mailbox->new, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* False: SLOT's mailbox has a quota and no room in it for this message besides those of the batch.
 * By the length that is known before anything is written; the fields that are added are not. */
static bool has_room(struct batch *batch, struct batch_slot *slot, struct mailbox const *mailbox)
{
    struct maildir_limit limit;
    if (!batch->quotas || !mail_quotas_find(batch->quotas, mailbox->path, &limit))
        return true;
    slot->has_quota = true;
    int const maildir = open_maildir(mailbox);
    if (maildir < 0)
        return true;
    struct maildir_usage more = gather(batch, mailbox);
    more.bytes += (int64_t)slot->job.length;
    more.messages++;
    bool const fits = maildir_quota_allows(maildir, &limit, &more, &batch->namer);
    fd_close(maildir);
    return fits;
}

/* Writes the message of SLOT to tmp/. */
static void write_message(struct batch *batch, struct batch_slot *slot, int message)
{
    struct mailbox *const mailbox =
        mailbox_open(&batch->mailboxes, slot->job.target, &slot->failure);
    if (!mailbox)
        return;
    if (!has_room(batch, slot, mailbox)) {
        failure_set(&slot->failure, JOB_FAILED, "5.2.2 the mailbox is full");
        return;
    }
    if (!maildir_create(&slot->file, mailbox, &batch->namer)) {
        failure_system(&slot->failure, "no file can be made in Maildir/tmp", mailbox->path, errno);
        return;
    }
    if (!message_copy(&batch->copy, &slot->job, message, slot->file.descriptor, &slot->written,
                      &slot->failure))
        maildir_remove(&slot->file);
    slot->has_file = is_good(slot);
    slot->file.size = slot->has_quota ? slot->written : 0;
}

static void deliver(struct batch *batch, struct batch_slot *slot, int message)
{
    switch (slot->job.kind) {
    case JOB_MAILBOX:
        write_message(batch, slot, message);
        break;
    case JOB_ALIAS:
        if (batch->forward)
            forward_alias(batch->forward, &batch->copy, &slot->job, message, &slot->failure);
        else
            failure_set(&slot->failure, JOB_DEFERRED, "4.3.5 nothing is forwarded here");
        break;
    case JOB_SYSTEM:
        failure_set(&slot->failure, JOB_DEFERRED, "4.3.5 no account is served here");
        break;
    }
}

enum batch_add batch_add(struct batch *batch, char const *bytes, size_t length, int message)
{
    struct batch_slot *const slot = &batch->slots[batch->count];
    if (!stralloc_copyb(&slot->bytes, bytes, length))
        return BATCH_NO_MEMORY;
    failure_clear(&slot->failure);
    slot->written = 0;
    slot->has_file = slot->has_quota = false;
    if (batch->count == 0 && batch->quotas)
        mail_quotas_refresh(batch->quotas);
    if (!job_parse(&slot->job, slot->bytes.s, slot->bytes.len)) {
        if (!slot->job.number)
            return BATCH_MALFORMED;
        slot->job = (struct job){.number = slot->job.number,
                                 .kind = JOB_MAILBOX,
                                 .target = "",
                                 .extension = "",
                                 .recipient = "",
                                 .sender = ""};
        failure_set(&slot->failure, JOB_DEFERRED, "4.3.5 the delivery job is malformed");
    } else if (message < 0) {
        failure_set(&slot->failure, JOB_DEFERRED, "4.3.5 the delivery job came without its file");
    } else {
        deliver(batch, slot, message);
    }
    batch->count++;
    return BATCH_ADDED;
}

static void slot_fails(struct batch_slot *slot, char const *what, int number)
{
    failure_system(&slot->failure, what, slot->file.mailbox->path, number);
    maildir_remove(&slot->file);
}

static void sync_files(struct batch *batch)
{
    struct durable entries[BATCH_MAX];
    struct batch_slot *slots[BATCH_MAX];
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_slot *const slot = &batch->slots[i];
        if (!has_good_file(slot))
            continue;
        slots[count] = slot;
        entries[count++] = (struct durable){.descriptor = slot->file.descriptor,
                                            .device = slot->file.mailbox->device,
                                            .whole_sync = slot->file.mailbox->whole_sync,
                                            .in_order = slot->file.mailbox->in_order};
    }
    durable_sync(entries, count);
    for (size_t i = 0; i < count; i++)
        if (entries[i].error)
            slot_fails(slots[i], "the message cannot be made durable", entries[i].error);
}

static void publish_files(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_slot *const slot = &batch->slots[i];
        if (!has_good_file(slot))
            continue;
        maildir_close(&slot->file);
        if (!maildir_publish(&slot->file, &batch->namer))
            slot_fails(slot, "the message cannot be moved to Maildir/new", errno);
    }
}

/* One fsync serves both: it is the same folder, or one journal has all that happened in both. */
static bool shares_sync(struct mailbox const *one, struct mailbox const *other)
{
    return one == other || (one->in_order && other->in_order);
}

/* Each mailbox once, however many messages it got. The last ones first: where the journal keeps the
 * order it is the fsync of the last rename's folder that makes all before it durable. */
static void sync_folders(struct batch *batch)
{
    struct durable entries[BATCH_MAX];
    struct mailbox const *mailboxes[BATCH_MAX];
    size_t count = 0;
    for (size_t i = batch->count; i-- > 0;) {
        struct batch_slot const *const slot = &batch->slots[i];
        size_t known = 0;
        if (!has_good_file(slot))
            continue;
        while (known < count && !shares_sync(mailboxes[known], slot->file.mailbox))
            known++;
        if (known < count)
            continue;
        mailboxes[count] = slot->file.mailbox;
        entries[count++] = (struct durable){.descriptor = slot->file.mailbox->new,
                                            .device = slot->file.mailbox->device,
                                            .whole_sync = slot->file.mailbox->whole_sync};
    }
    durable_sync(entries, count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; entries[i].error && j < batch->count; j++)
            if (has_good_file(&batch->slots[j]) &&
                shares_sync(mailboxes[i], batch->slots[j].file.mailbox))
                slot_fails(&batch->slots[j], "Maildir/new cannot be made durable",
                           entries[i].error);
}

/* What has come counts, each mailbox once. Before the answers, so that who waits for one finds it
 * counted; after a crash in between the count is too small, until it is made anew. */
static void count_usage(struct batch const *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_slot const *const slot = &batch->slots[i];
        size_t first = 0;
        if (!slot->has_quota || !has_good_file(slot))
            continue;
        while (!batch->slots[first].has_quota || !has_good_file(&batch->slots[first]) ||
               batch->slots[first].file.mailbox != slot->file.mailbox)
            first++;
        int const maildir = first == i ? open_maildir(slot->file.mailbox) : -1;
        if (maildir < 0)
            continue;
        struct maildir_usage const sum = gather(batch, slot->file.mailbox);
        maildir_quota_add(maildir, &sum);
        fd_close(maildir);
    }
}

static void log_slot(struct batch_slot const *slot)
{
    struct log_line line;
    log_begin(&line, is_good(slot)                          ? "delivered"
                     : slot->failure.result == JOB_DEFERRED ? "delivery-deferred"
                     : slot->failure.result == JOB_CORRUPT  ? "delivery-corrupt"
                                                            : "delivery-failed");
    log_number(&line, "job", slot->job.number);
    log_text(&line, "recipient", slot->job.recipient);
    if (slot->job.kind == JOB_MAILBOX)
        log_text(&line, "mailbox", slot->job.target);
    if (has_good_file(slot))
        log_number(&line, "bytes", slot->written);
    else
        log_text(&line, is_good(slot) ? "text" : "reason", slot->failure.text);
    log_write(&line);
}

void batch_finish(struct batch *batch, batch_answer_func *answer, void *context)
{
    sync_files(batch);
    publish_files(batch);
    sync_folders(batch);
    count_usage(batch);
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_slot const *const slot = &batch->slots[i];
        struct job_answer const result = {.number = slot->job.number,
                                          .result = slot->failure.result,
                                          .text = has_good_file(slot) ? "2.0.0 delivered"
                                                                      : slot->failure.text};
        answer(context, &result);
    }
}

void batch_clear(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        log_slot(&batch->slots[i]);
    mailbox_release_all(&batch->mailboxes);
    batch->count = 0;
}
