#include "queue/queue_item.h"

#include <errno.h>
#include <sys/stat.h>

#include "queue/send_place.h"

/* The first time that PLACE stood for when the file was put there, at CHANGED. It may lie in the
 * past: what waits for a place, or for the end of a pause, stays where it is. */
static uint64_t due(int place, struct timespec const *changed)
{
    uint64_t const tick = changed->tv_sec > 0 ? (uint64_t)changed->tv_sec / QUEUE_SLOT_SECONDS : 0;
    uint64_t const slots = ((uint64_t)place + QUEUE_SLOTS - tick % QUEUE_SLOTS) % QUEUE_SLOTS;
    return (tick + slots) * QUEUE_SLOT_SECONDS;
}

enum queue_item_state queue_item_state_of(int place)
{
    return place == SEND_PLACE_NEW    ? QUEUE_ITEM_NEW
           : place == SEND_PLACE_HOLD ? QUEUE_ITEM_HELD
           : place == SEND_PLACE_BAD  ? QUEUE_ITEM_BAD
                                      : QUEUE_ITEM_DEFERRED;
}

char const *queue_item_state_name(enum queue_item_state state)
{
    static char const *const names[] = {[QUEUE_ITEM_NEW] = "new",
                                        [QUEUE_ITEM_DEFERRED] = "deferred",
                                        [QUEUE_ITEM_HELD] = "held",
                                        [QUEUE_ITEM_BAD] = "bad"};
    return names[state];
}

static enum queue_item_result read_bad(struct queue_item *item, struct stat const *status)
{
    item->state = QUEUE_ITEM_BAD;
    item->sender = "";
    item->size = (uint64_t)status->st_size;
    item->arrival = queue_file_name_time(item->id);
    return QUEUE_ITEM_READ;
}

enum queue_item_result queue_item_read(struct queue_item *item, int place, char const *id,
                                       int descriptor)
{
    struct stat status;
    *item = (struct queue_item){.state = queue_item_state_of(place), .place = place, .id = id};
    if (fstat(descriptor, &status) != 0)
        return QUEUE_ITEM_ERROR;
    if (!S_ISREG(status.st_mode))
        return QUEUE_ITEM_NONE;
    if (place == SEND_PLACE_BAD)
        return read_bad(item, &status);
    switch (queue_file_read(descriptor, &item->message)) {
    case QUEUE_READ_OK:
        break;
    case QUEUE_READ_INCOMPLETE:
        return place == SEND_PLACE_NEW ? QUEUE_ITEM_NONE : read_bad(item, &status);
    case QUEUE_READ_LOCKED:
        errno = EWOULDBLOCK;
        return place == SEND_PLACE_NEW ? QUEUE_ITEM_NONE : QUEUE_ITEM_ERROR;
    case QUEUE_READ_CORRUPT:
        return read_bad(item, &status);
    case QUEUE_READ_ERROR:
        return QUEUE_ITEM_ERROR;
    }
    item->sender = item->message.sender;
    item->size = item->message.message_length;
    item->arrival = item->message.arrival;
    item->due = place >= 0 ? due(place, &status.st_ctim) : 0;
    return QUEUE_ITEM_READ;
}

void queue_item_free(struct queue_item *item)
{
    queue_message_free(&item->message);
}
