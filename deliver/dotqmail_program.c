#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/djbunix.h>

#include "deliver/dotqmail.h"
#include "deliver/message_stage.h"
#include "deliver/program.h"
#include "lib/utf8.h"

/* As in qmail-command(8): these mean never, 0 and 99 mean done, all others try again. */
static bool is_permanent(int code)
{
    static unsigned char const codes[] = {64, 65, 70, 76, 77, 78, 100, 112};
    return memchr(codes, code, sizeof codes) != NULL;
}

/* An enhanced status code at the end of OUTPUT, as qmail's programs have it: "... (#5.7.1)".
 * Written to CODE when it is of CLASS, which otherwise stays. */
static void find_code(char const *output, char class, char *code, size_t size)
{
    char const *const at = strrchr(output, '#');
    if (!at || at == output || at[-1] != '(' || at[1] != class)
        return;
    size_t const length = strspn(at + 1, "0123456789.");
    unsigned int subject, detail;
    int used = 0;
    if (at[1 + length] != ')' || length >= size ||
        sscanf(at + 2, ".%3u.%3u%n", &subject, &detail, &used) != 2 || (size_t)used + 1 != length)
        return;
    memcpy(code, at + 1, length);
    code[length] = 0;
}

/* Writes what a program said to TEXT, on one line: line ends become " / ", what is not printable
 * becomes `?`. */
static void make_line(char *text, size_t size, char const *output, size_t length)
{
    size_t used = 0, taken;
    while (length && isspace((unsigned char)output[length - 1]))
        length--;
    for (size_t i = 0; i < length && used + 4 < size; i += taken) {
        taken = utf8_next(output + i, length - i);
        if (taken) {
            memcpy(text + used, output + i, taken);
            used += taken;
            continue;
        }
        taken = 1;
        if (output[i] == '\n') {
            memcpy(text + used, " / ", 3);
            used += 3;
        } else if (output[i] != '\r') {
            text[used++] = output[i] == '\t' ? ' ' : '?';
        }
    }
    text[used] = 0;
}

static void explain(struct dotqmail_report *report, enum job_result result, char const *what,
                    struct program_end const *end)
{
    struct failure *const failure = &report->failure;
    char code[16], output[JOB_TEXT_MAX];
    char const class = result == JOB_FAILED ? '5' : '4';
    make_line(output, sizeof output, end->output, end->length);
    snprintf(code, sizeof code, "%c.3.0", class);
    find_code(output, class, code, sizeof code);
    failure->result = result;
    report->said = *output && end->result == PROGRAM_EXITED;
    if (report->said)
        snprintf(failure->text, sizeof failure->text, "%s %.380s", code, output);
    else
        snprintf(failure->text, sizeof failure->text, "%s %s%s%.300s", code, what,
                 *output ? ": " : "", output);
}

/* The answer to how the program ended. */
static void judge(struct dotqmail const *dotqmail, struct program_end const *end, bool *stop,
                  struct dotqmail_report *report)
{
    char what[100];
    switch (end->result) {
    case PROGRAM_EXITED:
        *stop = end->code == 99;
        if (end->code == 0 || end->code == 99)
            return;
        snprintf(what, sizeof what, "a program of the recipient refused the message (exit code %d)",
                 end->code);
        explain(report, is_permanent(end->code) ? JOB_FAILED : JOB_DEFERRED, what, end);
        return;
    case PROGRAM_KILLED:
        snprintf(what, sizeof what, "a program of the recipient was killed by signal %d",
                 end->code);
        break;
    case PROGRAM_TOO_LONG:
        snprintf(what, sizeof what, "a program of the recipient was stopped after %lld seconds",
                 dotqmail->program_seconds);
        break;
    case PROGRAM_ABANDONED:
        report->abandoned = true;
        snprintf(what, sizeof what, "the delivery was interrupted");
        break;
    case PROGRAM_NOT_STARTED:
        snprintf(what, sizeof what, "a program of the recipient cannot be started: %s",
                 strerror(end->code));
        break;
    }
    explain(report, JOB_DEFERRED, what, end);
}

static void keep_output(struct dotqmail_report *report, struct program_end const *end)
{
    size_t const room = sizeof report->output - report->length;
    size_t const kept = end->length < room ? end->length : room;
    memcpy(report->output + report->length, end->output, kept);
    report->length += kept;
}

bool dotqmail_program(struct dotqmail *dotqmail, char const *command, bool *stop,
                      struct dotqmail_report *report)
{
    static struct program_end end;
    int const message = message_stage_open(dotqmail->stage);
    if (message < 0) {
        failure_system(&report->failure, "the message cannot be opened for a program (/proc)", "",
                       errno);
        return false;
    }
    struct program const program = {.command = command,
                                    .environment = dotqmail->environment.variables,
                                    .message = message,
                                    .deadline = dotqmail->deadline,
                                    .partner = dotqmail->partner};
    program_run(&program, &end);
    fd_close(message);
    keep_output(report, &end);
    judge(dotqmail, &end, stop, report);
    return report->failure.result == JOB_DELIVERED;
}
