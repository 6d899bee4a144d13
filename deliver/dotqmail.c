#include "deliver/dotqmail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <skalibs/djbunix.h>

#include "deliver/mbox.h"
#include "deliver/message_stage.h"
#include "lib/clock.h"
#include "queue/verp.h"

void dotqmail_start(struct dotqmail *dotqmail, char const *host)
{
    dotqmail->stage = -1;
    dotqmail->client.socket = -1;
    maildir_namer_start(&dotqmail->namer, host);
}

void dotqmail_free(struct dotqmail *dotqmail)
{
    dotqmail_file_free(&dotqmail->file);
    dotqmail_environment_free(&dotqmail->environment);
    stralloc_free(&dotqmail->instructions);
    stralloc_free(&dotqmail->text);
    stralloc_free(&dotqmail->new_sender);
    stralloc_free(&dotqmail->copy.trace);
}

static bool no_memory(struct failure *failure)
{
    failure_system(failure, "delivery needs more memory", "", ENOMEM);
    return false;
}

/* Finds the instructions: the file's, or the default delivery. *use_default says which. */
static bool find_instructions(struct dotqmail *dotqmail, struct dotqmail_address const *address,
                              bool *use_default, struct failure *failure)
{
    struct dotqmail_file *const file = &dotqmail->file;
    if (!dotqmail_file_is_extension(address->extension)) {
        failure_set(failure, JOB_FAILED, "5.1.1 no mailbox here by that name");
        return false;
    }
    if (!dotqmail_file_find(file, address->dash, address->extension, failure))
        return false;
    if (!file->found && *address->dash) {
        failure_set(failure, JOB_FAILED, "5.1.1 no mailbox here by that name");
        return false;
    }
    *use_default = file->bytes.len == 0;
    if (!*use_default)
        return true;
    file->forward_only = false;
    dotqmail->text.len = 0;
    return (stralloc_cats(&dotqmail->text, dotqmail->default_delivery) &&
            stralloc_readyplus(&dotqmail->text, 1)) ||
           no_memory(failure);
}

/* Makes an array of all instructions before the first is followed: a fault in the last line must
 * not let the first ones deliver again and again. */
static bool parse(struct dotqmail *dotqmail, bool use_default, size_t *count,
                  struct failure *failure)
{
    stralloc *const bytes = use_default ? &dotqmail->text : &dotqmail->file.bytes;
    struct dotqmail_parser parser;
    struct dotqmail_instruction instruction;
    enum dotqmail_parse result;
    dotqmail->instructions.len = *count = 0;
    dotqmail_parse_start(&parser, bytes->s, bytes->len, dotqmail->file.forward_only);
    while ((result = dotqmail_parse_next(&parser, &instruction)) == DOTQMAIL_INSTRUCTION) {
        if (!stralloc_catb(&dotqmail->instructions, (char const *)&instruction, sizeof instruction))
            return no_memory(failure);
        ++*count;
    }
    if (result == DOTQMAIL_END)
        return true;
    failure->result = JOB_DEFERRED;
    snprintf(failure->text, sizeof failure->text, "4.3.5 %.250s: line %u %s",
             use_default ? "defaultdelivery" : dotqmail->file.name.s, parser.line,
             dotqmail_parse_explain(result));
    return false;
}

/* NEWSENDER: the sender of what is forwarded. A list has an owner, to whom its bounces go; with
 * -owner-default each recipient's bounces come to an address of their own (VERP). A bounce never
 * gets a sender (RFC 5321 4.5.5). */
static bool make_new_sender(struct dotqmail *dotqmail, struct job const *job,
                            struct dotqmail_address const *address, struct failure *failure)
{
    stralloc *const sender = &dotqmail->new_sender;
    bool owner = false, each = false;
    sender->len = 0;
    if (*job->sender && strcmp(job->sender, "#@[]") != 0) {
        if (!dotqmail_file_exists(&dotqmail->file, address->dash, address->extension, "-owner",
                                  &owner, failure) ||
            (owner && !dotqmail_file_exists(&dotqmail->file, address->dash, address->extension,
                                            "-owner-default", &each, failure)))
            return false;
    }
    bool const made = owner ? stralloc_cats(sender, address->local) &&
                                  stralloc_cats(sender, each ? "-owner-@" : "-owner@") &&
                                  stralloc_cats(sender, address->host) &&
                                  stralloc_cats(sender, each ? VERP_TAIL : "")
                            : stralloc_cats(sender, job->sender);
    return (made && stralloc_0(sender)) || no_memory(failure);
}

static bool make_environment(struct dotqmail *dotqmail, struct job const *job,
                             struct dotqmail_address const *address, struct failure *failure)
{
    struct dotqmail_names const names = {.user = dotqmail->user,
                                         .home = dotqmail->home,
                                         .local = address->local,
                                         .host = address->host,
                                         .extension = address->extension,
                                         .sender = job->sender,
                                         .new_sender = dotqmail->new_sender.s,
                                         .path = dotqmail->path,
                                         .default_part = dotqmail->file.default_part,
                                         .now = time(NULL)};
    return dotqmail_environment_make(&dotqmail->environment, &names) || no_memory(failure);
}

static void say(struct dotqmail_instruction const *instructions, size_t count)
{
    static char const *const words[] = {[DOTQMAIL_PROGRAM] = "program",
                                        [DOTQMAIL_FORWARD] = "forward",
                                        [DOTQMAIL_MBOX] = "mbox",
                                        [DOTQMAIL_MAILDIR] = "maildir"};
    for (size_t i = 0; i < count; i++)
        printf("%s %s\n", words[instructions[i].kind], instructions[i].text);
    fflush(stdout);
}

/* Makes the programs' copy of the message. Whole and no loop, or nothing is run. */
static bool stage(struct dotqmail *dotqmail, struct dotqmail_instruction const *instructions,
                  size_t count, struct job const *job, int message, struct failure *failure)
{
    for (size_t i = 0; i < count; i++)
        if (instructions[i].kind == DOTQMAIL_PROGRAM) {
            dotqmail->deadline = clock_milliseconds() + dotqmail->program_seconds * 1000;
            dotqmail->stage = message_stage(job, message, failure);
            return dotqmail->stage >= 0 &&
                   !message_copy_is_loop(&dotqmail->copy, job, message, failure);
        }
    return true;
}

/* Follows one instruction; forwards are only counted. */
static bool follow(struct dotqmail *dotqmail, struct dotqmail_instruction const *instruction,
                   bool may_make, struct job const *job, int message, bool *stop,
                   struct dotqmail_report *report)
{
    uint64_t written;
    switch (instruction->kind) {
    case DOTQMAIL_PROGRAM:
        report->programs++;
        return dotqmail_program(dotqmail, instruction->text, stop, report);
    case DOTQMAIL_FORWARD:
        report->forwards++;
        return true;
    case DOTQMAIL_MBOX:
        report->files++;
        return mbox_append(instruction->text,
                           dotqmail_environment_from_line(&dotqmail->environment), &dotqmail->copy,
                           job, message, &written, &report->failure);
    case DOTQMAIL_MAILDIR:
        break;
    }
    report->files++;
    return dotqmail_maildir(dotqmail, instruction->text, may_make, job, message, &report->failure);
}

/* Follows COUNT instructions, and then forwards. */
static void follow_all(struct dotqmail *dotqmail, size_t count, bool may_make,
                       struct job const *job, int message, struct dotqmail_report *report)
{
    struct dotqmail_instruction const *const instructions =
        (struct dotqmail_instruction const *)(void const *)dotqmail->instructions.s;
    bool stop = false;
    size_t done = 0;
    if (!stage(dotqmail, instructions, count, job, message, &report->failure))
        return;
    while (done < count && !stop)
        if (!follow(dotqmail, &instructions[done++], may_make, job, message, &stop, report))
            return;
    if (report->forwards &&
        !dotqmail_forward(dotqmail, instructions, done, job, message, &report->failure))
        return;
    char id[QUEUE_ID_LENGTH + 16] = "";
    if (report->forwards)
        snprintf(id, sizeof id, ", queued as %s", dotqmail->client.id);
    if (!report->forwards || report->files || report->programs)
        report->failure.result = JOB_DELIVERED;
    snprintf(report->failure.text, sizeof report->failure.text, "2.0.0 did %u+%u+%u%s",
             report->files, report->forwards, report->programs, id);
}

void dotqmail_deliver(struct dotqmail *dotqmail, struct job const *job,
                      struct dotqmail_address const *address, int message,
                      struct dotqmail_report *report)
{
    struct failure *const failure = &report->failure;
    bool use_default;
    size_t count;
    *report = (struct dotqmail_report){.files = 0};
    failure_clear(failure);
    if (!dotqmail_file_check_home(dotqmail->say_only, failure) ||
        !find_instructions(dotqmail, address, &use_default, failure) ||
        !parse(dotqmail, use_default, &count, failure) ||
        !make_new_sender(dotqmail, job, address, failure) ||
        !make_environment(dotqmail, job, address, failure))
        return;
    if (dotqmail->say_only)
        say((struct dotqmail_instruction const *)(void const *)dotqmail->instructions.s, count);
    else
        follow_all(dotqmail, count, use_default, job, message, report);
    if (dotqmail->stage >= 0)
        fd_close(dotqmail->stage);
    dotqmail->stage = -1;
}
