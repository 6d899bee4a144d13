#include <string.h>

#include "deliver/dotqmail.h"
#include "deliver/forward_message.h"

/* One new message for all forwards. */
static void forward_to_all(struct dotqmail *dotqmail,
                           struct dotqmail_instruction const *instructions, size_t count,
                           struct job const *job, int message, struct failure *failure)
{
    struct inject_client *const client = &dotqmail->client;
    inject_client_begin(client, dotqmail->new_sender.s, strlen(dotqmail->new_sender.s),
                        job->body_8bit, job->smtputf8);
    for (size_t i = 0; i < count; i++)
        if (instructions[i].kind == DOTQMAIL_FORWARD)
            inject_client_recipient(client, instructions[i].text, strlen(instructions[i].text));
    forward_message(client, &dotqmail->copy, job, message, failure);
}

/* The sender for one recipient: NEWSENDER is LOCAL-owner-@HOST-@[], and his is
 * LOCAL-owner-USER=DOMAIN@HOST, as qmail-send makes it. */
static bool make_sender(struct dotqmail const *dotqmail, char const *recipient, stralloc *sender)
{
    static char const tail[] = "-@[]";
    char const *const new = dotqmail->new_sender.s;
    char const *const host = memrchr(new, '@', strlen(new) - (sizeof tail - 2));
    char const *const domain = strrchr(recipient, '@');
    size_t const user = domain ? (size_t)(domain - recipient) : strlen(recipient);
    sender->len = 0;
    return host && stralloc_catb(sender, new, (size_t)(host - new)) &&
           stralloc_catb(sender, recipient, user) &&
           (!domain || (stralloc_catb(sender, "=", 1) && stralloc_cats(sender, domain + 1))) &&
           stralloc_catb(sender, host, strlen(host) - (sizeof tail - 1));
}

/* A message with a sender of its own for each. */
static void forward_to_each(struct dotqmail *dotqmail,
                            struct dotqmail_instruction const *instructions, size_t count,
                            struct job const *job, int message, struct failure *failure)
{
    struct inject_client *const client = &dotqmail->client;
    stralloc sender = STRALLOC_ZERO;
    for (size_t i = 0; i < count && failure->result == JOB_DELIVERED; i++) {
        if (instructions[i].kind != DOTQMAIL_FORWARD)
            continue;
        if (!make_sender(dotqmail, instructions[i].text, &sender)) {
            failure_set(failure, JOB_DEFERRED, "4.3.0 a forward found no memory");
            break;
        }
        inject_client_begin(client, sender.s, sender.len, job->body_8bit, job->smtputf8);
        inject_client_recipient(client, instructions[i].text, strlen(instructions[i].text));
        forward_message(client, &dotqmail->copy, job, message, failure);
    }
    stralloc_free(&sender);
}

bool dotqmail_forward(struct dotqmail *dotqmail, struct dotqmail_instruction const *instructions,
                      size_t count, struct job const *job, int message, struct failure *failure)
{
    struct inject_client *const client = &dotqmail->client;
    if (!inject_client_open(client, dotqmail->inject)) {
        failure_set(failure, JOB_DEFERRED, inject_client_explain(client->status));
        return false;
    }
    if (dotqmail->new_sender_each)
        forward_to_each(dotqmail, instructions, count, job, message, failure);
    else
        forward_to_all(dotqmail, instructions, count, job, message, failure);
    inject_client_close(client);
    return failure->result == JOB_DELIVERED;
}
