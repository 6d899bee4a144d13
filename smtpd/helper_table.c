#include "smtpd/helper_table.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/packet.h"

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
    int channels[HELPER_CHANNELS_MAX];
    unsigned int count = 0;
    pid_t const pid = reserve(table)
                          ? helper_program_start(&table->means, request, length, channels, &count)
                          : -1;
    if (pid < 0) {
        tell(reply, "-", 1, NULL, 0);
        close(reply);
        return;
    }
    tell(reply, "+", 1, channels, count);
    while (count)
        close(channels[--count]);
    table->entries[table->count++] = (struct helper){.pid = pid, .reply = reply};
}

size_t helper_polls(struct helper_table const *table, struct pollfd *polls)
{
    for (size_t i = 0; i < table->count; i++)
        polls[i] = (struct pollfd){.fd = table->entries[i].reply}; /* POLLHUP comes unasked */
    return table->count;
}

void helper_check(struct helper_table *table, struct pollfd const *polls, size_t count)
{
    for (size_t i = 0; i < count && i < table->count; i++)
        if (polls[i].revents && table->entries[i].reply == polls[i].fd) {
            kill(table->entries[i].pid, SIGKILL);
            close(table->entries[i].reply);
            table->entries[i].reply = -1; /* the entry waits for its process */
        }
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
            tell(helper.reply, bytes, sizeof bytes, NULL, 0);
            close(helper.reply);
        }
        table->entries[i] = table->entries[--table->count];
        return true;
    }
    return false;
}
