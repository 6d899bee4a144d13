#include "tools/queue_change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queue/queue_walk.h"
#include "queue/send_place.h"
#include "tools/queue_link.h"

#define BIT(state)   (1u << QUEUE_ITEM_##state)
#define ANSWER_BYTES 8

static struct change {
    char const *name;
    enum queue_operation operation;
    unsigned int states; /* of which messages a selection takes, unless it names states itself */
    bool asks;           /* before it touches all */
    char const *done;
} const changes[] = {{"retry", QUEUE_RETRY, BIT(NEW) | BIT(DEFERRED), false, "tried now"},
                     {"hold", QUEUE_HOLD, BIT(NEW) | BIT(DEFERRED), false, "held"},
                     {"release", QUEUE_RELEASE, BIT(HELD), false, "released"},
                     {"drop", QUEUE_DROP, BIT(NEW) | BIT(DEFERRED) | BIT(HELD), true, "dropped"},
                     {"bounce", QUEUE_BOUNCE, BIT(NEW) | BIT(DEFERRED) | BIT(HELD), true,
                      "given up, with a report to the sender"}};

struct progress {
    struct queue_arguments const *arguments;
    struct change const *change;
    struct queue_select select;
    struct queue_link link;
    uint64_t done, waits, gone, nothing, failed;
    bool lost; /* the way to the queue */
};

static void take_answer(void *context, struct queue_answer const *answer)
{
    struct progress *const progress = context;
    switch (answer->outcome) {
    case QUEUE_DONE:
        progress->done++;
        return;
    case QUEUE_WAITS:
        progress->waits++;
        return;
    case QUEUE_GONE:
        progress->gone++;
        return;
    case QUEUE_NOTHING:
        progress->nothing++;
        break;
    case QUEUE_FAILED:
        progress->failed++;
        break;
    }
    queue_command_say(answer->id, answer->text);
}

static bool ask(struct progress *progress, enum queue_operation operation, char const *id,
                int place)
{
    struct queue_request request = {
        .operation = operation, .place = place, .who = progress->arguments->person};
    if (id)
        memcpy(request.id, id, sizeof request.id);
    progress->lost = !queue_link_ask(&progress->link, &request);
    return !progress->lost;
}

static bool change_selected(void *context, int place, char const *id, int descriptor)
{
    struct progress *const progress = context;
    struct queue_item item;
    switch (queue_item_read(&item, place, id, descriptor)) {
    case QUEUE_ITEM_NONE:
        return true;
    case QUEUE_ITEM_ERROR:
        queue_command_say(id, strerror(errno));
        progress->failed++;
        return true;
    case QUEUE_ITEM_READ:
        break;
    }
    bool const fits = queue_select_fits(&progress->select, &item);
    queue_item_free(&item);
    return !fits || ask(progress, progress->change->operation, id, place);
}

static void change_named(struct progress *progress)
{
    struct queue_arguments const *const arguments = progress->arguments;
    for (size_t i = 0; i < arguments->word_count; i++) {
        char const *const id = arguments->words[i];
        int place = QUEUE_PLACE_UNKNOWN;
        if (!send_place_find(arguments->queue, id, &place)) {
            queue_command_say(id, "is not in the queue");
            progress->nothing++;
        } else if (!ask(progress, progress->change->operation, id, place)) {
            return;
        }
    }
}

/* Everything at once is one request: what is due later is found by the scheduler itself. */
static bool is_everything(struct progress const *progress)
{
    struct queue_select const *const select = &progress->arguments->select;
    return progress->change->operation == QUEUE_RETRY && select->all && !select->sender &&
           !select->recipient && !select->domain && !select->states;
}

static void change_all(struct progress *progress)
{
    errno = 0;
    if (!queue_walk(progress->arguments->queue, progress->select.states >> QUEUE_ITEM_BAD & 1,
                    change_selected, queue_command_odd, progress) &&
        !progress->lost)
        queue_command_fail("the queue cannot be read", errno);
}

static void check(struct queue_arguments const *arguments, struct change const *change)
{
    char answer[ANSWER_BYTES];
    bool const selects = queue_select_is_given(&arguments->select);
    if (arguments->json || arguments->message)
        queue_command_usage("--json and --message are for commands that show something");
    if (selects == (arguments->word_count > 0))
        queue_command_usage("expected ids of messages, or a selection, and not both; "
                            "--all is everything");
    for (size_t i = 0; i < arguments->word_count; i++)
        if (!queue_file_is_name(arguments->words[i]))
            queue_command_usage("the id of a message has 20 characters, as `ekiden queue list` "
                                "shows them");
    if (!change->asks || !arguments->select.all || arguments->yes)
        return;
    if (!isatty(STDIN_FILENO))
        queue_command_usage("this is for every message; say --yes as well");
    fprintf(stderr, "%s every message of this selection? (yes or no) ", change->name);
    if (!fgets(answer, sizeof answer, stdin) || strcmp(answer, "yes\n"))
        queue_command_usage("nothing was done");
}

static void report(uint64_t count, char const *what)
{
    if (count)
        printf("%llu %s %s\n", (unsigned long long)count, count == 1 ? "message" : "messages",
               what);
}

static int sum_up(struct progress const *progress)
{
    bool const everything = is_everything(progress);
    if (everything && progress->done)
        puts("all deferred messages are tried now");
    else
        report(progress->done, progress->change->done);
    report(progress->waits, "noted: done when the deliveries that are under way have ended");
    report(progress->gone, "gone meanwhile");
    if (!progress->done && !progress->waits && !progress->gone && !progress->lost)
        puts("nothing was done");
    if (fflush(stdout) != 0)
        queue_command_fail("standard output cannot be written", errno);
    if (progress->failed || progress->lost)
        return QUEUE_EXIT_TEMPORARY;
    return progress->nothing ? QUEUE_EXIT_NOTHING : QUEUE_EXIT_DONE;
}

int queue_change(struct queue_arguments *arguments)
{
    struct change const *change = changes;
    while (strcmp(change->name, arguments->command)) /* it is one of them */
        change++;
    check(arguments, change);
    queue_command_open(arguments);
    struct progress progress = {
        .arguments = arguments, .change = change, .select = arguments->select};
    /* As who this is, whom the kernel names to the scheduler; no byte of the queue is read yet. */
    queue_link_start(&progress.link, arguments->queue, take_answer, &progress);
    queue_command_drop(arguments);
    if (!progress.select.states)
        progress.select.states = change->states;
    if (arguments->word_count)
        change_named(&progress);
    else if (is_everything(&progress))
        ask(&progress, QUEUE_RETRY_ALL, NULL, QUEUE_PLACE_UNKNOWN);
    else
        change_all(&progress);
    progress.lost = progress.lost || !queue_link_end(&progress.link);
    if (progress.lost)
        fprintf(stderr, "ekiden queue: %s%s%s\n", progress.link.why, errno ? ": " : "",
                errno ? strerror(errno) : "");
    return sum_up(&progress);
}
