#include "deliver/forward_message.h"

#include <stdio.h>
#include <string.h>

void forward_begin(struct inject_client *client, struct job const *job, char const *sender,
                   enum forward_dsn dsn)
{
    inject_client_begin(client, sender, strlen(sender), job->body_8bit, job->smtputf8);
    inject_client_forwarded(client);
    if (dsn != FORWARD_DSN_NONE)
        inject_client_dsn(client, &job->dsn);
}

void forward_recipient(struct inject_client *client, struct job const *job, char const *address,
                       size_t length, enum forward_dsn dsn)
{
    struct dsn_recipient wish = job->dsn_recipient;
    inject_client_recipient(client, address, length);
    if (dsn == FORWARD_DSN_NONE)
        return;
    /* Who asked for success only is told of nothing else. */
    if (dsn == FORWARD_DSN_NO_SUCCESS && wish.notify & DSN_SUCCESS)
        wish.notify = wish.notify == DSN_SUCCESS ? (unsigned int)DSN_NEVER
                                                 : wish.notify & ~(unsigned int)DSN_SUCCESS;
    inject_client_dsn_recipient(client, &wish);
}

enum job_result forward_result(struct job const *job, enum forward_dsn dsn)
{
    if (dsn == FORWARD_DSN_NONE || !(job->dsn_recipient.notify & DSN_SUCCESS))
        return JOB_DELIVERED;
    return dsn == FORWARD_DSN_ALL ? JOB_PASSED_ON : JOB_EXPANDED;
}

/* The first failure is kept by the client, and said at the commit. */
static bool write_message(void *context, char const *bytes, size_t length)
{
    inject_client_message(context, bytes, length);
    return true;
}

void forward_message(struct inject_client *client, struct message_copy *copy, struct job const *job,
                     int message, struct failure *failure)
{
    char text[64];
    uint64_t written;
    if (!message_copy_through(copy, job, message, MESSAGE_COPY_FORWARD, write_message, client,
                              &written, failure))
        return;
    enum queue_status const status = inject_client_commit(client);
    if (status == QUEUE_OK) {
        snprintf(text, sizeof text, "2.0.0 forwarded as %s", client->id);
        failure_set(failure, JOB_DELIVERED, text);
    } else {
        failure_set(failure, inject_client_is_permanent(status) ? JOB_FAILED : JOB_DEFERRED,
                    inject_client_explain(status));
    }
}
