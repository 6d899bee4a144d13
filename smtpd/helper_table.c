#include "smtpd/helper_table.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/packet.h"

#define TOLD_MILLISECONDS 2000 /* between SIGTERM and SIGKILL */

/* Without a wait: who asked may have been taken over. */
static void tell(int reply, char const *bytes, size_t length, int const *fds, unsigned int count)
{
    struct iovec const piece = {.iov_base = (char *)bytes, .iov_len = length};
    if (!packet_offer(reply, &piece, 1, fds, count) && errno != EPIPE)
        log_failure("helper-not-told", "packet_offer", errno);
}

static bool reserve(struct helper_table *table)
{
    if (table->count < table->space)
        return true;
    size_t const space = table->space * 2 + 8;
    struct helper *const entries = realloc(table->entries, space * sizeof *entries);
    if (!entries)
        return false;
    table->entries = entries;
    table->space = space;
    return true;
}

void helper_start(struct helper_table *table, char const *request, size_t length, int reply)
{
    struct helper_channels channels = {.direct = false};
    pid_t const pid = reserve(table)
                          ? helper_program_start(&table->means, request, length, reply, &channels)
                          : -1;
    if (pid < 0) {
        if (!channels.direct)
            tell(reply, "-", 1, NULL, 0);
        close(reply);
        return;
    }
    if (!channels.direct)
        tell(reply, "+", 1, channels.ends, channels.count);
    while (channels.count)
        close(channels.ends[--channels.count]);
    table->entries[table->count++] = (struct helper){
        .pid = pid, .reply = reply, .direct = channels.direct, .grace = channels.grace};
}

size_t helper_polls(struct helper_table const *table, struct pollfd *polls)
{
    for (size_t i = 0; i < table->count; i++)
        polls[i] = (struct pollfd){.fd = table->entries[i].reply}; /* POLLHUP comes unasked */
    return table->count;
}

struct timespec const *helper_timeout(struct helper_table const *table,
                                      struct timespec const *otherwise)
{
    static struct timespec const look = {.tv_sec = 1};
    for (size_t i = 0; i < table->count; i++)
        if (table->entries[i].late)
            return &look;
    return otherwise;
}

/* Told first: that its session ended, or stopped waiting, is no failure of the helper's that the
 * log should tell of. */
static void end_late(struct helper *helper)
{
    kill(helper->pid, helper->told ? SIGKILL : SIGTERM);
    helper->told = true;
    helper->late = clock_milliseconds() + TOLD_MILLISECONDS;
}

void helper_check(struct helper_table *table, struct pollfd const *polls, size_t count)
{
    for (size_t i = 0; i < count && i < table->count; i++) {
        struct helper *const helper = table->entries + i;
        if (!polls[i].revents || helper->reply < 0 || helper->reply != polls[i].fd)
            continue;
        close(helper->reply);
        helper->reply = -1; /* the entry waits for its process */
        helper->late = clock_milliseconds() + helper->grace;
    }
    for (size_t i = 0; i < table->count; i++)
        if (table->entries[i].late && clock_milliseconds() >= table->entries[i].late)
            end_late(&table->entries[i]);
}

bool helper_ended(struct helper_table *table, pid_t pid, int status)
{
    for (size_t i = 0; i < table->count; i++) {
        struct helper const helper = table->entries[i];
        if (helper.pid != pid)
            continue;
        char const bytes[2] = {
            'x', (char)(WIFEXITED(status) ? WEXITSTATUS(status) : HELPER_EXIT_TEMPORARY)};
        if (helper.reply >= 0) {
            if (!helper.direct)
                tell(helper.reply, bytes, sizeof bytes, NULL, 0);
            close(helper.reply);
        }
        table->entries[i] = table->entries[--table->count];
        return true;
    }
    return false;
}
