#include <string.h>

#include "deliver/dotqmail.h"
#include "deliver/forward_message.h"

/* One new message for all forwards, also where each of them gets a sender of his own (VERP: the
 * scheduler makes these, queue/verp.h): one message a recipient could fail half-way, and the next
 * try would begin with the first ones again. */
static void forward(struct dotqmail *dotqmail, struct dotqmail_instruction const *instructions,
                    size_t count, struct job const *job, int message, struct failure *failure)
{
    struct inject_client *const client = &dotqmail->client;
    bool const list = strcmp(dotqmail->new_sender.s, job->sender) != 0;
    enum forward_dsn const dsn = list         ? FORWARD_DSN_NONE
                                 : count == 1 ? FORWARD_DSN_ALL
                                              : FORWARD_DSN_NO_SUCCESS;
    forward_begin(client, job, dotqmail->new_sender.s, dsn);
    for (size_t i = 0; i < count; i++)
        if (instructions[i].kind == DOTQMAIL_FORWARD)
            forward_recipient(client, job, instructions[i].text, strlen(instructions[i].text), dsn);
    forward_message(client, &dotqmail->copy, job, message, failure);
    if (failure->result == JOB_DELIVERED)
        failure->result = forward_result(job, dsn);
}

bool dotqmail_forward(struct dotqmail *dotqmail, struct dotqmail_instruction const *instructions,
                      size_t count, struct job const *job, int message, struct failure *failure)
{
    struct inject_client *const client = &dotqmail->client;
    if (!inject_client_open(client, dotqmail->inject, INJECT_CLIENT_AGENT_MILLISECONDS)) {
        failure_set(failure, JOB_DEFERRED, inject_client_explain(client->status));
        return false;
    }
    forward(dotqmail, instructions, count, job, message, failure);
    inject_client_close(client);
    return job_is_delivered(failure->result);
}
