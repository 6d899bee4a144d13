#include "deliver/message_copy.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

#include "lib/address.h"
#include "lib/checksum.h"

/* Makes the two fields that delivery adds (RFC 5321 4.4, RFC 9228). *name and *name_length are the
 * recipient as it stands in Delivered-To. */
static bool make_trace(stralloc *trace, struct job const *job, enum message_copy_trace kind,
                       size_t *name, size_t *name_length)
{
    trace->len = 0;
    if (kind == MESSAGE_COPY_DELIVER &&
        (!stralloc_cats(trace, "Return-Path: <") ||
         !address_quote(trace, job->sender, strlen(job->sender)) || !stralloc_cats(trace, ">\n")))
        return false;
    if (!stralloc_cats(trace, "Delivered-To: "))
        return false;
    *name = trace->len;
    if (!address_quote(trace, job->recipient, strlen(job->recipient)))
        return false;
    *name_length = trace->len - *name;
    return stralloc_cats(trace, "\n") && trace->len <= MESSAGE_COPY_TRACE_MAX;
}

struct sink {
    message_copy_write_func *write;
    void *context;
    char const *target; /* for the text of a failure */
    uint64_t *written;
    struct failure *failure;
};

static bool put(struct sink const *sink, char const *bytes, size_t length)
{
    if (!sink->write(sink->context, bytes, length)) {
        failure_system(sink->failure, "the message cannot be written", sink->target, errno);
        return false;
    }
    *sink->written += length;
    return true;
}

/* Reads the next piece of the message. 0: FAILURE says why. */
static size_t read_piece(struct message_copy *copy, struct job const *job, int from, uint64_t done,
                         struct failure *failure)
{
    uint64_t const left = job->length - done;
    size_t const wanted = left < sizeof copy->in ? (size_t)left : sizeof copy->in;
    ssize_t got;
    do
        got = pread(from, copy->in, wanted, (off_t)(job->offset + done));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        failure_system(failure, "the queue file cannot be read", "", errno);
    if (got == 0)
        failure_set(failure, JOB_CORRUPT, "4.3.0 the queue file is shorter than it says");
    return got > 0 ? (size_t)got : 0;
}

static bool fail_loop(struct message_copy const *copy, struct failure *failure)
{
    if (copy->filter.loop)
        failure_set(failure, JOB_FAILED,
                    "5.4.6 mail loop: the message was delivered to this mailbox before "
                    "(Delivered-To)");
    return copy->filter.loop;
}

bool message_copy_through(struct message_copy *copy, struct job const *job, int from,
                          enum message_copy_trace trace, message_copy_write_func *write,
                          void *context, uint64_t *written, struct failure *failure)
{
    struct sink const sink = {write, context, job->kind == JOB_ALIAS ? "" : job->target, written,
                              failure};
    struct checksum sum;
    uint64_t done = 0;
    size_t name, name_length, used;
    *written = 0;
    if (!make_trace(&copy->trace, job, trace, &name, &name_length)) {
        failure_system(failure, "delivery needs more memory", sink.target, ENOMEM);
        return false;
    }
    used = copy->trace.len;
    memcpy(copy->out, copy->trace.s, used);
    header_filter_start(&copy->filter, copy->trace.s + name, name_length);
    checksum_start(&sum);
    while (done < job->length) {
        size_t const got = read_piece(copy, job, from, done, failure);
        if (!got)
            return false;
        done += got;
        checksum_add(&sum, copy->in, got);
        char const *piece = copy->in;
        size_t length = got;
        if (!copy->filter.in_body) { /* the trace fields and a small message go out in one write */
            used += header_filter_pass(&copy->filter, copy->in, got, copy->out + used);
            if (done == job->length)
                used += header_filter_end(&copy->filter, copy->out + used);
            piece = copy->out;
            length = used;
            used = 0;
        }
        if (!copy->filter.loop && /* a loop is read to its end, for the checksum decides first */
            !put(&sink, piece, length))
            return false;
    }
    if (used && !put(&sink, copy->out, used))
        return false; /* an empty message */
    if (checksum_end(&sum) != job->sum) {
        failure_set(failure, JOB_CORRUPT, "4.3.0 the message does not fit its checksum");
        return false;
    }
    return !fail_loop(copy, failure);
}

bool message_copy_is_loop(struct message_copy *copy, struct job const *job, int from,
                          struct failure *failure)
{
    size_t name, name_length;
    if (!make_trace(&copy->trace, job, MESSAGE_COPY_FORWARD, &name, &name_length)) {
        failure_system(failure, "delivery needs more memory", "", ENOMEM);
        return true;
    }
    header_filter_start(&copy->filter, copy->trace.s + name, name_length);
    for (uint64_t done = 0; done < job->length && !copy->filter.in_body;) {
        size_t const got = read_piece(copy, job, from, done, failure);
        if (!got)
            return true;
        done += got;
        (void)header_filter_pass(&copy->filter, copy->in, got, copy->out);
    }
    if (!copy->filter.in_body)
        (void)header_filter_end(&copy->filter, copy->out);
    return fail_loop(copy, failure);
}

static bool write_file(void *context, char const *bytes, size_t length)
{
    return allwrite(*(int const *)context, bytes, length) == length;
}

bool message_copy(struct message_copy *copy, struct job const *job, int from, int to,
                  uint64_t *written, struct failure *failure)
{
    return message_copy_through(copy, job, from, MESSAGE_COPY_DELIVER, write_file, &to, written,
                                failure);
}
