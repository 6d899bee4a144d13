#include "tools/queue_pause.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/paused.h"

#define TEMPORARY_NAME "." PAUSED_FILE ".new"
#define HEAD           "# Written by `ekiden queue pause` and `resume`: local, remote, intake.\n"

static void change(bool paused[PAUSED_COUNT], struct queue_arguments const *arguments, bool pauses)
{
    for (size_t i = 0; i < arguments->word_count; i++) {
        char const *const word = arguments->words[i];
        enum paused_what what;
        if (!strcmp(word, "all"))
            for (what = 0; what < PAUSED_COUNT; what++)
                paused[what] = pauses;
        else if (paused_find(&what, word, strlen(word)))
            paused[what] = pauses;
        else
            queue_command_usage("expected local, remote, intake, or all");
    }
}

static bool write_all(int descriptor, bool const paused[PAUSED_COUNT])
{
    char text[sizeof HEAD + 64];
    size_t length = sizeof HEAD - 1;
    memcpy(text, HEAD, length);
    for (enum paused_what what = 0; what < PAUSED_COUNT; what++)
        if (paused[what])
            length +=
                (size_t)snprintf(text + length, sizeof text - length, "%s\n", paused_words[what]);
    errno = EIO;
    return write(descriptor, text, length) == (ssize_t)length && fchmod(descriptor, 0644) == 0 &&
           fsync(descriptor) == 0;
}

/* Never half a file, and never none: an absent one counts only after a while (control_watch.h). */
static void replace(int folder, bool const paused[PAUSED_COUNT])
{
    if (unlinkat(folder, TEMPORARY_NAME, 0) != 0 && errno != ENOENT)
        queue_command_fail("the control folder cannot be written", errno);
    int const file =
        openat(folder, TEMPORARY_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file < 0)
        queue_command_fail("the control folder cannot be written", errno);
    if (!write_all(file, paused) || close(file) != 0 ||
        renameat(folder, TEMPORARY_NAME, folder, PAUSED_FILE) != 0 || fsync(folder) != 0)
        queue_command_fail("the control file `paused` cannot be written", errno);
}

static void print(bool const paused[PAUSED_COUNT])
{
    bool any = false;
    for (enum paused_what what = 0; what < PAUSED_COUNT; what++)
        any = any || paused[what];
    fputs(any ? "paused:" : "nothing is paused", stdout);
    for (enum paused_what what = 0; what < PAUSED_COUNT; what++)
        if (paused[what])
            printf(" %s", paused_words[what]);
    putchar('\n');
    if (fflush(stdout) != 0)
        queue_command_fail("standard output cannot be written", errno);
}

/* The control folder is the operator's, so this is done as who he is, and nothing of the queue is
 * touched. */
int queue_pause(struct queue_arguments *arguments)
{
    struct control control;
    struct control_error error;
    bool paused[PAUSED_COUNT];
    if (!arguments->word_count)
        queue_command_usage("expected local, remote, intake, or all");
    if (queue_select_is_given(&arguments->select) || arguments->json || arguments->message)
        queue_command_usage("a pause is for all mail; single messages can be held");
    if (control_open(&control, arguments->control_path, &error) == CONTROL_ERROR)
        queue_command_fail(error.text, 0);
    /* One at a time: each writes what it has read. */
    if (flock(control.directory, LOCK_EX) != 0)
        queue_command_fail("the control folder cannot be locked", errno);
    if (paused_load(paused, &control, &error) == CONTROL_ERROR)
        queue_command_fail(error.text, 0);
    change(paused, arguments, !strcmp(arguments->command, "pause"));
    replace(control.directory, paused);
    control_close(&control);
    print(paused);
    return QUEUE_EXIT_DONE;
}
