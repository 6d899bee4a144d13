#include "tools/queue_show.h"

#include <errno.h>
#include <string.h>

#include <skalibs/types.h>

#include "queue/inject_client.h"
#include "queue/queue_list.h"
#include "tools/print.h"
#include "tools/problem.h"
#include "tools/queue_print.h"

struct show {
    uint64_t messages, bytes;
};

/* The COUNT fields of a packet. False when there are fewer. */
static bool split(char const *packet, size_t length, char const **fields, size_t count)
{
    char const *at = packet + 1, *const end = packet + length;
    for (size_t i = 0; i < count; i++) {
        char const *const nul = memchr(at, 0, (size_t)(end - at));
        if (!nul)
            return false;
        fields[i] = at;
        at = nul + 1;
    }
    return true;
}

enum { ID, PLACE, SIZE, ARRIVAL, DUE, SENDER, FIELDS };

static void show_message(struct show *show, char const *packet, size_t length)
{
    char const *fields[FIELDS];
    struct queue_print_line line = {.size = 0};
    if (!split(packet, length, fields, FIELDS) || !queue_file_is_name(fields[ID]) ||
        strspn(fields[PLACE], "abcdefghijklmnopqrstuvwxyz") != strlen(fields[PLACE]))
        return;
    line.id = fields[ID];
    line.state = fields[PLACE];
    line.sender = fields[SENDER];
    uint64_scan(fields[SIZE], &line.size);
    uint64_scan(fields[ARRIVAL], &line.arrival);
    uint64_scan(fields[DUE], &line.due);
    show->messages++;
    show->bytes += line.size;
    queue_print_line(&line);
}

static void show_recipients(char const *packet, size_t length)
{
    char const *at = packet + 1, *const end = packet + length;
    while (at < end) {
        char const *const nul = memchr(at, 0, (size_t)(end - at));
        if (!nul)
            return;
        queue_print_recipient((enum envelope_mark) * at, at + 1, (size_t)(nul - at - 1));
        at = nul + 1;
    }
}

static void show_packet(void *context, char const *packet, size_t length)
{
    if (*packet == QUEUE_LIST_MESSAGE)
        show_message(context, packet, length);
    else if (*packet == QUEUE_LIST_RECIPIENTS)
        show_recipients(packet, length);
}

void queue_show(char const *path)
{
    static struct inject_client client;
    struct show show = {.messages = 0};
    errno = 0;
    if (!inject_client_open(&client, path, INJECT_CLIENT_MILLISECONDS))
        problem_die(PROBLEM_TEMPORARY, inject_client_explain(client.status), errno);
    enum queue_status const status = inject_client_list(&client, show_packet, &show);
    if (status == QUEUE_REFUSED)
        problem_die(PROBLEM_PERMISSION,
                    "5.7.1 the queue is shown to root and to the user that ekiden-queue runs as",
                    0);
    if (status != QUEUE_OK)
        problem_die(PROBLEM_TEMPORARY, "4.3.0 the queue could not be read to its end", 0);
    queue_print_total(show.messages, show.bytes);
    if (!print_flush())
        problem_die(PROBLEM_TEMPORARY, "standard output cannot be written", errno);
    inject_client_close(&client);
}
