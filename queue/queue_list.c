#include "queue/queue_list.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "lib/packet.h"
#include "queue/queue_file.h"
#include "queue/send_folder.h"
#include "queue/send_place.h"

struct list {
    int queue, socket;
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

/* When the slot PLACE comes round. */
static uint64_t due(int place)
{
    uint64_t const now = (uint64_t)time(NULL) / QUEUE_SLOT_SECONDS;
    uint64_t const slots = ((uint64_t)place + QUEUE_SLOTS - now % QUEUE_SLOTS) % QUEUE_SLOTS;
    return (now + slots) * QUEUE_SLOT_SECONDS;
}

static bool send_message(struct list *list, int place, char const *id,
                         struct queue_message const *message)
{
    char const *const name = place == SEND_PLACE_NEW    ? "new"
                             : place == SEND_PLACE_HOLD ? "held"
                                                        : "deferred";
    list->packet[0] = QUEUE_LIST_MESSAGE;
    list->length = 1;
    add(list, id, QUEUE_ID_LENGTH);
    add(list, name, strlen(name));
    add_number(list, message->message_length);
    add_number(list, message->arrival);
    add_number(list, place >= 0 ? due(place) : 0);
    add(list, message->sender, message->sender_length); /* at most ENVELOPE_ADDRESS_MAX: fits */
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

static bool list_file(struct list *list, int place, char const *id)
{
    struct queue_message message;
    int const file = send_place_open(list->queue, place, id, O_RDONLY);
    if (file < 0)
        return errno == ENOENT; /* moved on or delivered meanwhile */
    enum queue_read const result = queue_file_read(file, &message);
    bool sent = result != QUEUE_READ_ERROR;
    if (result == QUEUE_READ_OK) {
        sent = send_message(list, place, id, &message);
        queue_message_free(&message);
    }
    close(file);
    return sent;
}

static bool list_folder(struct list *list, int place)
{
    static struct send_odd odd;
    struct send_folder folder;
    char id[QUEUE_ID_LENGTH + 1];
    if (!send_folder_open(&folder, list->queue, place))
        return errno == ENOENT; /* nothing was ever deferred to this slot */
    for (;;)
        switch (send_folder_next(&folder, &odd, id)) {
        case SEND_FOLDER_FILE:
            if (list_file(list, place, id))
                break;
            send_folder_close(&folder);
            return false;
        case SEND_FOLDER_OTHER:
            break;
        case SEND_FOLDER_END:
            return true;
        case SEND_FOLDER_ERROR:
            return false;
        }
}

bool queue_list_send(int queue, int socket)
{
    static struct list list;
    list.queue = queue;
    list.socket = socket;
    for (int place = SEND_PLACE_HOLD; place < QUEUE_SLOTS; place++)
        if (!list_folder(&list, place))
            return false;
    return true;
}
