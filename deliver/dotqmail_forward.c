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
    inject_client_begin(client, dotqmail->new_sender.s, strlen(dotqmail->new_sender.s),
                        job->body_8bit, job->smtputf8);
    inject_client_forwarded(client);
    for (size_t i = 0; i < count; i++)
        if (instructions[i].kind == DOTQMAIL_FORWARD)
            inject_client_recipient(client, instructions[i].text, strlen(instructions[i].text));
    forward_message(client, &dotqmail->copy, job, message, failure);
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
    return failure->result == JOB_DELIVERED;
}
