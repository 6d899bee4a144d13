#include "tools/queue_show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <skalibs/buffer.h>
#include <skalibs/types.h>

#include "lib/date.h"
#include "queue/envelope.h"
#include "queue/inject_client.h"
#include "queue/queue_list.h"
#include "tools/problem.h"

struct show {
    uint64_t messages, bytes;
};

static void print(char const *text)
{
    buffer_puts(buffer_1, text);
}

/* What strangers chose must not reach the terminal as it is. */
static void print_escaped(char const *text, size_t length)
{
    static char const digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        unsigned char const byte = (unsigned char)text[i];
        char const escaped[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
        if (byte > 0x20 && byte < 0x7f && byte != '\\')
            buffer_put(buffer_1, text + i, 1);
        else
            buffer_put(buffer_1, escaped, 4);
    }
}

static void print_date(char const *seconds)
{
    char date[DATE_SIZE];
    uint64_t value = 0;
    uint64_scan(seconds, &value);
    buffer_put(buffer_1, date, date_format(date, (time_t)value));
}

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
    uint64_t size = 0;
    if (!split(packet, length, fields, FIELDS))
        return;
    uint64_scan(fields[SIZE], &size);
    show->messages++;
    show->bytes += size;
    print_escaped(fields[ID], strlen(fields[ID]));
    print("  ");
    print_escaped(fields[SIZE], strlen(fields[SIZE]));
    print(" bytes, ");
    print_date(fields[ARRIVAL]);
    print("  <");
    print_escaped(fields[SENDER], strlen(fields[SENDER]));
    print(">  ");
    print_escaped(fields[PLACE], strlen(fields[PLACE]));
    if (strcmp(fields[DUE], "0")) {
        print(", next try ");
        print_date(fields[DUE]);
    }
    print("\n");
}

static void show_recipients(char const *packet, size_t length)
{
    char const *at = packet + 1, *const end = packet + length;
    while (at < end) {
        char const *const nul = memchr(at, 0, (size_t)(end - at));
        if (!nul)
            return;
        print(*at == ENVELOPE_DONE || *at == ENVELOPE_DELIVERED ? "    done  "
              : *at == ENVELOPE_FAILED                          ? "    failed  "
                                                                : "    ");
        print_escaped(at + 1, (size_t)(nul - at - 1));
        print("\n");
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

static void print_total(struct show const *show)
{
    char number[UINT64_FMT];
    if (!show->messages)
        print("The queue is empty.\n");
    if (!show->messages)
        return;
    buffer_put(buffer_1, number, uint64_fmt(number, show->messages));
    print(show->messages == 1 ? " message, " : " messages, ");
    buffer_put(buffer_1, number, uint64_fmt(number, show->bytes));
    print(" bytes.\n");
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
    print_total(&show);
    if (!buffer_flush(buffer_1))
        problem_die(PROBLEM_TEMPORARY, "standard output cannot be written", errno);
    inject_client_close(&client);
}
