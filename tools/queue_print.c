#include "tools/queue_print.h"

#include <string.h>
#include <time.h>

#include <skalibs/buffer.h>
#include <skalibs/types.h>

#include "lib/date.h"
#include "lib/utf8.h"

static char const digits[] = "0123456789abcdef";

void queue_print(char const *text)
{
    buffer_puts(buffer_1, text);
}

void queue_print_number(uint64_t number)
{
    char text[UINT64_FMT];
    buffer_put(buffer_1, text, uint64_fmt(text, number));
}

static void print_from(unsigned char lowest, char const *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char const byte = (unsigned char)text[i];
        char const escaped[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
        if (byte >= lowest && byte < 0x7f && byte != '\\')
            buffer_put(buffer_1, text + i, 1);
        else
            buffer_put(buffer_1, escaped, 4);
    }
}

void queue_print_escaped(char const *text, size_t length)
{
    print_from(0x21, text, length);
}

void queue_print_text(char const *text, size_t length)
{
    print_from(' ', text, length);
}

void queue_print_date(uint64_t seconds)
{
    char date[DATE_SIZE];
    buffer_put(buffer_1, date, date_format(date, (time_t)seconds));
}

/* Control characters never stand in an address; utf8_next takes none either. */
void queue_print_string(char const *text, size_t length)
{
    queue_print("\"");
    for (size_t at = 0, size; at < length; at += size) {
        unsigned char const byte = (unsigned char)text[at];
        char const escaped[5] = {'\\', '\\', 'x', digits[byte >> 4], digits[byte & 15]};
        size = byte == '\\' ? 0 : utf8_next(text + at, length - at);
        if (byte == '"')
            queue_print("\\");
        if (size)
            buffer_put(buffer_1, text + at, size);
        else
            buffer_put(buffer_1, escaped, sizeof escaped);
        size += !size;
    }
    queue_print("\"");
}

void queue_print_line(struct queue_print_line const *line)
{
    queue_print(line->id);
    queue_print("  ");
    queue_print_number(line->size);
    queue_print(" bytes, ");
    queue_print_date(line->arrival);
    queue_print("  <");
    queue_print_escaped(line->sender, strlen(line->sender));
    queue_print(">  ");
    queue_print(line->state);
    if (line->due && line->due <= (uint64_t)time(NULL)) {
        queue_print(", due now");
    } else if (line->due) {
        queue_print(", next try ");
        queue_print_date(line->due);
    }
    queue_print("\n");
}

void queue_print_recipient(enum envelope_mark mark, char const *address, size_t length)
{
    queue_print(mark == ENVELOPE_TODO     ? "    "
                : mark == ENVELOPE_FAILED ? "    failed  "
                                          : "    done  ");
    queue_print_escaped(address, length);
    queue_print("\n");
}

void queue_print_total(uint64_t messages, uint64_t bytes)
{
    if (!messages) {
        queue_print("The queue is empty.\n");
        return;
    }
    queue_print_number(messages);
    queue_print(messages == 1 ? " message, " : " messages, ");
    queue_print_number(bytes);
    queue_print(" bytes.\n");
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
    queue_print(",\"");
    queue_print(name);
    queue_print("\":");
    queue_print_number(number);
}

void queue_print_object(struct queue_item const *item)
{
    queue_print("{\"id\":\"");
    queue_print(item->id);
    queue_print("\",\"state\":\"");
    queue_print(queue_item_state_name(item->state));
    queue_print("\"");
    print_member("arrival", item->arrival);
    print_member("size", item->size);
    if (item->due)
        print_member("due", item->due);
    if (item->state == QUEUE_ITEM_BAD)
        return;
    queue_print(",\"sender\":");
    queue_print_string(item->sender, strlen(item->sender));
    queue_print(",\"recipients\":[");
    for (uint32_t i = 0; i < item->message.recipient_count; i++) {
        struct queue_recipient const *const recipient = item->message.recipients + i;
        queue_print(i ? ",{\"address\":" : "{\"address\":");
        queue_print_string(recipient->address, recipient->length);
        queue_print(recipient->mark == ENVELOPE_TODO     ? ",\"state\":\"open\"}"
                    : recipient->mark == ENVELOPE_FAILED ? ",\"state\":\"failed\"}"
                                                         : ",\"state\":\"done\"}");
    }
    queue_print("]");
}

bool queue_print_flush(void)
{
    return buffer_flush(buffer_1);
}
