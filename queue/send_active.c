#include "queue/send_active.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool send_message_is_over(struct send_message const *message)
{
    return message->in_flight == 0 && message->next == message->content.recipient_count;
}

void send_message_free(struct send_message *message)
{
    queue_message_free(&message->content);
    if (message->descriptor >= 0)
        close(message->descriptor);
    free(message);
}

void send_active_start(struct send_active *active)
{
    memset(active, 0, sizeof *active);
    active->waiting_end = &active->waiting;
}

/* The end of a name is random. */
static unsigned int bucket_of(char const *id)
{
    unsigned int value = 0;
    for (size_t i = QUEUE_ID_LENGTH - 4; i < QUEUE_ID_LENGTH; i++)
        value = value * 37 + (unsigned char)id[i];
    return value % SEND_ACTIVE_BUCKETS;
}

struct send_message *send_active_find(struct send_active const *active, char const *id)
{
    struct send_message *message = active->buckets[bucket_of(id)];
    while (message && memcmp(message->id, id, QUEUE_ID_LENGTH))
        message = message->in_bucket;
    return message;
}

void send_active_add(struct send_active *active, struct send_message *message)
{
    struct send_message **const bucket = active->buckets + bucket_of(message->id);
    message->in_bucket = *bucket;
    *bucket = message;
    active->count++;
}

void send_active_remove(struct send_active *active, struct send_message *message)
{
    struct send_message **link = active->buckets + bucket_of(message->id);
    while (*link != message)
        link = &(*link)->in_bucket;
    *link = message->in_bucket;
    active->count--;
}

void send_active_push_waiting(struct send_active *active, struct send_message *message)
{
    message->in_waiting = NULL;
    *active->waiting_end = message;
    active->waiting_end = &message->in_waiting;
}

struct send_message *send_active_pop_waiting(struct send_active *active)
{
    struct send_message *const message = active->waiting;
    if (!message)
        return NULL;
    active->waiting = message->in_waiting;
    if (!active->waiting)
        active->waiting_end = &active->waiting;
    return message;
}

void send_active_touch(struct send_active *active, struct send_message *message)
{
    if (message->is_touched)
        return;
    message->is_touched = true;
    message->in_touched = active->touched;
    active->touched = message;
}

struct send_message *send_active_pop_touched(struct send_active *active)
{
    struct send_message *const message = active->touched;
    if (!message)
        return NULL;
    active->touched = message->in_touched;
    message->is_touched = false;
    return message;
}

void send_active_slots(struct send_active const *active, bool busy[QUEUE_SLOTS])
{
    memset(busy, 0, QUEUE_SLOTS * sizeof *busy);
    for (unsigned int bucket = 0; bucket < SEND_ACTIVE_BUCKETS; bucket++)
        for (struct send_message const *message = active->buckets[bucket]; message;
             message = message->in_bucket)
            if (message->place >= 0)
                busy[message->place] = true;
}
