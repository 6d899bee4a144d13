#include "tools/queue_print.h"

#include <string.h>
#include <time.h>

#include "tools/print.h"

void queue_print_line(struct queue_print_line const *line)
{
    print(line->id);
    print("  ");
    print_number(line->size);
    print(" bytes, ");
    print_date(line->arrival);
    print("  <");
    print_escaped(line->sender, strlen(line->sender));
    print(">  ");
    print(line->state);
    if (line->due && line->due <= (uint64_t)time(NULL)) {
        print(", due now");
    } else if (line->due) {
        print(", next try ");
        print_date(line->due);
    }
    print("\n");
}

void queue_print_recipient(enum envelope_mark mark, char const *address, size_t length)
{
    print(mark == ENVELOPE_TODO ? "    " : mark == ENVELOPE_FAILED ? "    failed  " : "    done  ");
    print_escaped(address, length);
    print("\n");
}

void queue_print_total(uint64_t messages, uint64_t bytes)
{
    if (!messages) {
        print("The queue is empty.\n");
        return;
    }
    print_number(messages);
    print(messages == 1 ? " message, " : " messages, ");
    print_number(bytes);
    print(" bytes.\n");
}

void queue_print_item(struct queue_item const *item)
{
    queue_print_line(&(struct queue_print_line){.id = item->id,
                                                .state = queue_item_state_name(item->state),
                                                .sender = item->sender,
                                                .size = item->size,
                                                .arrival = item->arrival,
                                                .due = item->due});
    for (uint32_t i = 0; i < item->message.recipient_count; i++) {
        struct queue_recipient const *const recipient = item->message.recipients + i;
        queue_print_recipient(recipient->mark, recipient->address, recipient->length);
    }
}

static void print_member(char const *name, uint64_t number)
{
    print(",\"");
    print(name);
    print("\":");
    print_number(number);
}

void queue_print_object(struct queue_item const *item)
{
    print("{\"id\":\"");
    print(item->id);
    print("\",\"state\":\"");
    print(queue_item_state_name(item->state));
    print("\"");
    print_member("arrival", item->arrival);
    print_member("size", item->size);
    if (item->due)
        print_member("due", item->due);
    if (item->state == QUEUE_ITEM_BAD)
        return;
    print(",\"sender\":");
    print_string(item->sender, strlen(item->sender));
    print(",\"recipients\":[");
    for (uint32_t i = 0; i < item->message.recipient_count; i++) {
        struct queue_recipient const *const recipient = item->message.recipients + i;
        print(i ? ",{\"address\":" : "{\"address\":");
        print_string(recipient->address, recipient->length);
        print(recipient->mark == ENVELOPE_TODO     ? ",\"state\":\"open\"}"
              : recipient->mark == ENVELOPE_FAILED ? ",\"state\":\"failed\"}"
                                                   : ",\"state\":\"done\"}");
    }
    print("]");
}
