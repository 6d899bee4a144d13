#include "queue/queue_list.h"

#include <string.h>

#include <skalibs/types.h>

#include "lib/packet.h"
#include "queue/queue_item.h"
#include "queue/queue_walk.h"

struct list {
    int socket;
    size_t length;
    char packet[QUEUE_LIST_PACKET_MAX];
};

static bool flush(struct list *list)
{
    struct iovec const piece = {.iov_base = list->packet, .iov_len = list->length};
    bool const sent = list->length <= 1 || packet_send(list->socket, &piece, 1, NULL, 0);
    list->length = 0;
    return sent;
}

static void add(struct list *list, char const *text, size_t length)
{
    memcpy(list->packet + list->length, text, length);
    list->length += length;
    list->packet[list->length++] = 0;
}

static void add_number(struct list *list, uint64_t number)
{
    char text[UINT64_FMT];
    add(list, text, uint64_fmt(text, number));
}

static bool send_message(struct list *list, struct queue_item const *item)
{
    struct queue_message const *const message = &item->message;
    char const *const state = queue_item_state_name(item->state);
    list->packet[0] = QUEUE_LIST_MESSAGE;
    list->length = 1;
    add(list, item->id, QUEUE_ID_LENGTH);
    add(list, state, strlen(state));
    add_number(list, item->size);
    add_number(list, item->arrival);
    add_number(list, item->due);
    add(list, item->sender, strlen(item->sender)); /* at most ENVELOPE_ADDRESS_MAX: fits */
    bool sent = flush(list);
    for (uint32_t i = 0; sent && i < message->recipient_count; i++) {
        struct queue_recipient const *const recipient = message->recipients + i;
        if (list->length + recipient->length + 2 > sizeof list->packet)
            sent = flush(list);
        if (!list->length)
            list->packet[list->length++] = QUEUE_LIST_RECIPIENTS;
        list->packet[list->length++] = (char)recipient->mark;
        add(list, recipient->address, recipient->length);
    }
    return sent && flush(list);
}

static bool list_file(void *context, int place, char const *id, int descriptor)
{
    struct queue_item item;
    bool sent = true;
    switch (queue_item_read(&item, place, id, descriptor)) {
    case QUEUE_ITEM_READ:
        sent = send_message(context, &item);
        queue_item_free(&item);
        break;
    case QUEUE_ITEM_NONE:
        break;
    case QUEUE_ITEM_ERROR:
        return false;
    }
    return sent;
}

bool queue_list_send(int queue, int socket)
{
    static struct list list;
    list.socket = socket;
    return queue_walk(queue, true, list_file, NULL, &list);
}
