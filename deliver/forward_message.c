#include "deliver/forward_message.h"

#include <stdio.h>

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
