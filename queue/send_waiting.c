#include "queue/send_waiting.h"

#include <stddef.h>

/* --- the destinations that somebody waits for --- */

static void push_hungry(struct send_destinations *destinations,
                        struct send_destination *destination)
{
    destination->next_hungry = NULL;
    destination->back_hungry = destinations->hungry_end;
    *destinations->hungry_end = destination;
    destinations->hungry_end = &destination->next_hungry;
}

static void remove_hungry(struct send_destinations *destinations,
                          struct send_destination *destination)
{
    *destination->back_hungry = destination->next_hungry;
    if (destination->next_hungry)
        destination->next_hungry->back_hungry = destination->back_hungry;
    else
        destinations->hungry_end = destination->back_hungry;
}

/* --- their lines --- */

static void push(struct send_destinations *destinations, struct send_window_group *group,
                 struct send_destination *destination)
{
    group->at = destination;
    group->next = NULL;
    group->back = destination->end;
    *destination->end = group;
    destination->end = &group->next;
    if (destination->waiting++ == 0)
        push_hungry(destinations, destination);
}

static void remove_group(struct send_destinations *destinations, struct send_window_group *group)
{
    struct send_destination *const destination = group->at;
    *group->back = group->next;
    if (group->next)
        group->next->back = group->back;
    else
        destination->end = group->back;
    group->at = NULL;
    if (--destination->waiting == 0)
        remove_hungry(destinations, destination);
}

void send_waiting_add(struct send_destinations *destinations, struct send_message *message,
                      uint64_t now)
{
    struct send_window *const window = &message->window;
    for (uint32_t i = 0; i < window->group_count; i++) {
        struct send_window_group *const group = window->groups + i;
        group->message = message;
        push(destinations, group, send_destinations_find(destinations, group->destination, now));
    }
    message->is_parked = true;
}

void send_waiting_remove(struct send_destinations *destinations, struct send_message *message)
{
    struct send_window *const window = &message->window;
    if (!message->is_parked)
        return;
    for (uint32_t i = 0; i < window->group_count; i++)
        remove_group(destinations, window->groups + i);
    message->is_parked = false;
}

static struct send_message *call(struct send_destinations *destinations,
                                 struct send_destination *destination)
{
    struct send_message *const message = destination->first->message;
    send_waiting_remove(destinations, message);
    return message;
}

struct send_message *send_waiting_next(struct send_destinations *destinations, uint64_t limit,
                                       uint64_t now)
{
    for (struct send_destination *destination = destinations->hungry; destination;
         destination = destination->next_hungry) {
        if (send_destination_state(destinations, destination, limit, now) == SEND_DESTINATION_FULL)
            continue;
        /* The others before it have their turn first the next time. */
        remove_hungry(destinations, destination);
        push_hungry(destinations, destination);
        return call(destinations, destination);
    }
    return NULL;
}

struct send_message *send_waiting_any(struct send_destinations *destinations)
{
    return destinations->hungry ? call(destinations, destinations->hungry) : NULL;
}

uint64_t send_waiting_time(struct send_destinations const *destinations, uint64_t now)
{
    uint64_t least = UINT64_MAX;
    for (struct send_destination const *destination = destinations->hungry; destination;
         destination = destination->next_hungry) {
        uint64_t const wait = send_destination_time(destination, now);
        if (wait < least)
            least = wait;
    }
    return least;
}
