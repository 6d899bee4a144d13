#include "deliver/forward.h"

#include <stdio.h>
#include <string.h>

#include "deliver/forward_message.h"
#include "lib/aliases.h"
#include "lib/clock.h"

/* The recipients of the new message, on their way from the targets. */
struct collection {
    struct forward *forward;
    struct failure *failure;
    struct job const *job;
    size_t count;
    bool begun;
    enum forward_dsn dsn; /* once it is begun */
};

static bool is_included(char const *target, size_t length)
{
    return length > strlen(ALIASES_INCLUDE) &&
           !memcmp(target, ALIASES_INCLUDE, strlen(ALIASES_INCLUDE));
}

static void begin(struct collection *collection)
{
    struct job const *const job = collection->job;
    /* What bounces goes to the list's owner; but a bounce never gets a sender (RFC 5321 4.5.5), nor
     * does a double bounce, or else postmaster's broken alias would make reports without an end. */
    bool const bounce = !*job->sender || !strcmp(job->sender, "#@[]");
    bool const list = *job->extension && !bounce;
    bool const single =
        !strchr(job->target, '\n') && !is_included(job->target, strlen(job->target));
    collection->dsn = list ? FORWARD_DSN_NONE : single ? FORWARD_DSN_ALL : FORWARD_DSN_NO_SUCCESS;
    forward_begin(&collection->forward->client, job, list ? job->extension : job->sender,
                  collection->dsn);
    collection->begun = true;
}

static bool add_address(struct collection *collection, char const *address, size_t length)
{
    if (length == strlen(ALIASES_NOWHERE) && !memcmp(address, ALIASES_NOWHERE, length))
        return true;
    if (++collection->count > FORWARD_TARGETS_MAX) {
        failure_set(collection->failure, JOB_DEFERRED,
                    "4.3.5 the alias has more than 10000 targets");
        return false;
    }
    if (!collection->begun)
        begin(collection);
    forward_recipient(&collection->forward->client, collection->job, address, length,
                      collection->dsn);
    return true;
}

/* A line of an included file: a target, but never another file. */
static bool take_included(void *context, char const *line, size_t length, unsigned int number,
                          struct control_error *error)
{
    char target[CONTROL_LINE_MAX];
    size_t used = 0;
    (void)number;
    if (is_included(line, length))
        return control_fail_hint(error, "an address", line, length,
                                 "an included file includes no other");
    if (!aliases_target(line, length, NULL, 0, target, sizeof target, &used, error))
        return false;
    if (add_address(context, target, used))
        return true;
    control_fail(error, "fewer targets", line, length);
    return false;
}

static bool add_included(struct collection *collection, char const *target, size_t length)
{
    struct control const *const control = collection->forward->control;
    struct control_error error;
    char path[ALIASES_TARGETS_MAX + 1], text[JOB_TEXT_MAX + 1];
    memcpy(path, target, length);
    path[length] = 0;
    char const *const name = control ? aliases_file(control, path) : NULL;
    if (!name) {
        failure_set(collection->failure, JOB_DEFERRED,
                    "4.3.5 an :include: file of this alias does not lie in the control folder");
        return false;
    }
    enum control_result const result =
        control_lines(control, name, take_included, collection, &error);
    if (result == CONTROL_OK)
        return true;
    if (collection->failure->result == JOB_DELIVERED) {
        snprintf(text, sizeof text, "4.3.5 %.390s",
                 result == CONTROL_ABSENT ? "an :include: file of this alias is not there"
                                          : error.text);
        failure_set(collection->failure, JOB_DEFERRED, text);
    }
    return false;
}

static bool add_targets(struct collection *collection)
{
    static size_t const prefix = sizeof ALIASES_INCLUDE - 1;
    char const *target = collection->job->target;
    for (;;) {
        size_t const length = strcspn(target, "\n");
        if (is_included(target, length)
                ? !add_included(collection, target + prefix, length - prefix)
                : !add_address(collection, target, length))
            return false;
        if (!target[length])
            return true;
        target += length + 1;
    }
}

static void forward_now(struct forward *forward, struct message_copy *copy, struct job const *job,
                        int message, struct failure *failure)
{
    struct collection collection = {.forward = forward, .failure = failure, .job = job};
    if (!inject_client_open(&forward->client, forward->socket, forward->milliseconds)) {
        failure_set(failure, JOB_DEFERRED, inject_client_explain(forward->client.status));
        return;
    }
    if (add_targets(&collection)) {
        if (!collection.begun)
            failure_set(failure, JOB_DELIVERED, "2.0.0 thrown away, as the alias says");
        else
            forward_message(&forward->client, copy, job, message, failure);
        if (collection.begun && failure->result == JOB_DELIVERED)
            failure->result = forward_result(job, collection.dsn);
    }
    inject_client_close(&forward->client); /* what was not committed is discarded by that */
}

void forward_alias(struct forward *forward, struct message_copy *copy, struct job const *job,
                   int message, struct failure *failure)
{
    long long const start = clock_milliseconds();
    failure_clear(failure);
    if (start < forward->rest_until) {
        failure_set(failure, JOB_DEFERRED, inject_client_explain(QUEUE_NETWORK));
        return;
    }
    forward_now(forward, copy, job, message, failure);
    long long const end = clock_milliseconds();
    if (forward->client.status == QUEUE_NETWORK && end - start >= forward->milliseconds)
        forward->rest_until = end + FORWARD_REST_MILLISECONDS;
}
