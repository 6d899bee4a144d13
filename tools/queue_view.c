#include "tools/queue_view.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "queue/notes.h"
#include "queue/queue_control.h"
#include "queue/queue_walk.h"
#include "queue/reasons.h"
#include "queue/send_place.h"
#include "tools/print.h"
#include "tools/queue_content.h"
#include "tools/queue_print.h"

struct view {
    struct queue_arguments const *arguments;
    uint64_t messages, bytes;
};

static void finish(void)
{
    if (!print_flush())
        queue_command_fail("standard output cannot be written", errno);
}

static void refuse_change(struct queue_arguments const *arguments)
{
    if (arguments->yes)
        queue_command_usage("--yes is for drop and bounce");
}

static bool list_one(void *context, int place, char const *id, int descriptor)
{
    struct view *const view = context;
    struct queue_item item;
    switch (queue_item_read(&item, place, id, descriptor)) {
    case QUEUE_ITEM_NONE:
        return true;
    case QUEUE_ITEM_ERROR:
        return false;
    case QUEUE_ITEM_READ:
        break;
    }
    if (queue_select_fits(&view->arguments->select, &item)) {
        view->messages++;
        view->bytes += item.size;
        if (view->arguments->json) {
            queue_print_object(&item);
            print("}\n");
        } else {
            queue_print_item(&item);
        }
    }
    queue_item_free(&item);
    return true;
}

int queue_view_list(struct queue_arguments *arguments)
{
    struct view view = {.arguments = arguments};
    refuse_change(arguments);
    if (arguments->word_count || arguments->message)
        queue_command_usage("list takes a selection; `show ID` is for one message");
    queue_command_open(arguments);
    queue_command_drop(arguments);
    if (!queue_walk(arguments->queue, true, list_one, queue_command_odd, &view))
        queue_command_fail("the queue cannot be read", errno);
    if (!arguments->json && queue_select_is_given(&arguments->select) && !view.messages)
        print("No message in the queue is of this selection.\n");
    else if (!arguments->json)
        queue_print_total(view.messages, view.bytes);
    finish();
    return QUEUE_EXIT_DONE;
}

struct notes {
    struct queue_item const *item;
    bool json;
    uint64_t count;
};

/* What a note says of its recipient. */
static struct {
    enum notes_letter letter;
    char const *event, *text;
} const events[] = {{NOTES_FAILED, "failed", "failed"},
                    {NOTES_DELAYED, "delayed", "delayed"},
                    {NOTES_DELIVERED, "delivered", "delivered, to be reported"},
                    {NOTES_RELAYED, "relayed", "relayed, to be reported"},
                    {NOTES_EXPANDED, "expanded", "passed on, to be reported"}};
#define EVENTS (sizeof events / sizeof *events)

static void print_json_event(struct queue_recipient const *recipient, char const *event,
                             char const *text)
{
    print("{\"event\":\"");
    print(event);
    print("\",\"recipient\":");
    print_string(recipient->address, recipient->length);
    print(",\"text\":");
    print_string(text, strlen(text));
}

/* WHEN is 0 where it is not known. */
static void print_text_event(struct queue_recipient const *recipient, char const *event,
                             uint64_t when, char const *text)
{
    print("    note  ");
    print_escaped(recipient->address, recipient->length);
    print(" ");
    print(event);
    if (when) {
        print(" ");
        print_date(when);
    }
    print(": ");
    print_text(text, strlen(text));
    print("\n");
}

static bool print_note(void *context, enum notes_letter letter, uint32_t index, char const *text)
{
    struct notes *const notes = context;
    size_t event = 0;
    if (letter == NOTES_WARNED) {
        if (notes->json && notes->count++)
            print(",");
        print(notes->json ? "{\"event\":\"sender-warned\"}"
                          : "    note  the sender was told of the delay\n");
        return true;
    }
    while (event < EVENTS && events[event].letter != letter)
        event++;
    if (event == EVENTS || index >= notes->item->message.recipient_count)
        return true;
    struct queue_recipient const *const recipient = notes->item->message.recipients + index;
    if (!notes->json) {
        print_text_event(recipient, events[event].text, 0, text);
        return true;
    }
    print(notes->count++ ? "," : "");
    print_json_event(recipient, events[event].event, text);
    print("}");
    return true;
}

/* Of those who have not got it yet. */
static void print_reasons(int queue, struct notes *notes)
{
    struct queue_message const *const message = &notes->item->message;
    struct reason reason;
    int const file = reasons_open(queue, false);
    for (uint32_t i = 0; file >= 0 && i < message->recipient_count; i++) {
        if (message->recipients[i].mark != ENVELOPE_TODO ||
            !reasons_get(file, notes->item->id, i, &reason))
            continue;
        if (!notes->json) {
            print_text_event(message->recipients + i, "put off", reason.when, reason.text);
            continue;
        }
        print(notes->count++ ? "," : "");
        print_json_event(message->recipients + i, "deferred", reason.text);
        print(",\"time\":");
        print_number(reason.when);
        print("}");
    }
    if (file >= 0)
        close(file);
}

static void print_notes(struct queue_arguments const *arguments, struct queue_item const *item)
{
    struct notes notes = {.item = item, .json = arguments->json};
    int const file = notes_open(arguments->queue, item->id);
    if (arguments->json)
        print(",\"notes\":[");
    if (file >= 0) {
        notes_read(file, print_note, &notes);
        close(file);
    }
    print_reasons(arguments->queue, &notes);
    if (arguments->json)
        print("]");
}

/* False when it is not there. */
static bool show_one(struct queue_arguments const *arguments, char const *id)
{
    int place = QUEUE_PLACE_UNKNOWN;
    struct queue_item item;
    int const file = send_place_find(arguments->queue, id, &place)
                         ? send_place_open(arguments->queue, place, id, O_RDONLY)
                         : -1;
    if (file < 0 || queue_item_read(&item, place, id, file) != QUEUE_ITEM_READ) {
        if (file >= 0)
            close(file);
        return false;
    }
    if (arguments->json)
        queue_print_object(&item);
    else
        queue_print_item(&item);
    print_notes(arguments, &item);
    if (!arguments->json)
        queue_content_print(file, &item, arguments->message);
    if (arguments->json)
        print("}\n");
    queue_item_free(&item);
    close(file);
    return true;
}

int queue_view_show(struct queue_arguments *arguments)
{
    int code = QUEUE_EXIT_DONE;
    refuse_change(arguments);
    if (queue_select_is_given(&arguments->select) || !arguments->word_count)
        queue_command_usage("show takes ids of messages, as `ekiden queue list` shows them");
    if (arguments->json && arguments->message)
        queue_command_usage("--message is for text");
    for (size_t i = 0; i < arguments->word_count; i++)
        if (!queue_file_is_name(arguments->words[i]))
            queue_command_usage("the id of a message has 20 characters");
    queue_command_open(arguments);
    queue_command_drop(arguments);
    for (size_t i = 0; i < arguments->word_count; i++)
        if (!show_one(arguments, arguments->words[i])) {
            finish();
            queue_command_say(arguments->words[i], "is not in the queue");
            code = QUEUE_EXIT_NOTHING;
        }
    finish();
    return code;
}
