#include "queue/send_waiting.h"

#include <stddef.h>

/* --- the lines in which somebody waits --- */

static void push_hungry(struct send_destinations *destinations, struct send_line *line)
{
    line->next_hungry = NULL;
    line->back_hungry = destinations->hungry_end;
    *destinations->hungry_end = line;
    destinations->hungry_end = &line->next_hungry;
}

static void remove_hungry(struct send_destinations *destinations, struct send_line *line)
{
    *line->back_hungry = line->next_hungry;
    if (line->next_hungry)
        line->next_hungry->back_hungry = line->back_hungry;
    else
        destinations->hungry_end = line->back_hungry;
}

/* --- a line --- */

static void push(struct send_destinations *destinations, struct send_window_group *group,
                 struct send_line *line)
{
    group->at = line;
    group->next = NULL;
    group->back = line->end;
    *line->end = group;
    line->end = &group->next;
    if (line->waiting++ == 0)
        push_hungry(destinations, line);
}

static void remove_group(struct send_destinations *destinations, struct send_window_group *group)
{
    struct send_line *const line = group->at;
    *group->back = group->next;
    if (group->next)
        group->next->back = group->back;
    else
        line->end = group->back;
    group->at = NULL;
    if (--line->waiting == 0)
        remove_hungry(destinations, line);
}

struct send_line *send_waiting_line(struct send_destinations *destinations,
                                    struct send_message const *message, uint64_t key, uint64_t now)
{
    enum send_kind const kind = message->content.sender[0] ? SEND_KIND_MAIL : SEND_KIND_REPORT;
    return send_destinations_find(destinations, key, now)->lines + kind;
}

void send_waiting_add(struct send_destinations *destinations, struct send_message *message,
                      uint64_t now)
{
    struct send_window *const window = &message->window;
    for (uint32_t i = 0; i < window->group_count; i++) {
        struct send_window_group *const group = window->groups + i;
        group->message = message;
        push(destinations, group,
             send_waiting_line(destinations, message, group->destination, now));
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

static struct send_message *call(struct send_destinations *destinations, struct send_line *line)
{
    struct send_message *const message = line->first->message;
    send_waiting_remove(destinations, message);
    return message;
}

struct send_message *send_waiting_next(struct send_destinations *destinations, uint64_t limit,
                                       uint64_t now)
{
    for (struct send_line *line = destinations->hungry; line; line = line->next_hungry) {
        if (send_destination_state(destinations, line, limit, now) == SEND_DESTINATION_FULL)
            continue;
        /* The others before it have their turn first the next time. */
        remove_hungry(destinations, line);
        push_hungry(destinations, line);
        return call(destinations, line);
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
    for (struct send_line const *line = destinations->hungry; line; line = line->next_hungry) {
        uint64_t const wait = send_destination_time(line->destination, now);
        if (wait < least)
            least = wait;
    }
    return least;
}
