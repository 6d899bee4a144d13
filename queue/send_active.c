#include "queue/send_active.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool send_message_is_over(struct send_message const *message)
{
    return message->in_flight == 0 && !message->report_waits && message->ended[SEND_LANE_LOCAL] &&
           message->ended[SEND_LANE_REMOTE];
}

bool send_message_is_handed(struct send_message const *message, uint32_t index)
{
    return message->handed[index / 8] >> index % 8 & 1;
}

void send_message_set_handed(struct send_message *message, uint32_t index, bool handed)
{
    unsigned int const bit = 1u << index % 8, before = message->handed[index / 8];
    message->handed[index / 8] = (unsigned char)(handed ? before | bit : before & ~bit);
}

void send_message_free(struct send_message *message)
{
    queue_message_free(&message->content);
    send_window_free(&message->window);
    stralloc_free(&message->notes);
    stralloc_free(&message->noted);
    free(message->handed);
    if (message->descriptor >= 0)
        close(message->descriptor);
    free(message);
}

void send_active_start(struct send_active *active)
{
    memset(active, 0, sizeof *active);
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++) {
        active->waiting[lane].end = &active->waiting[lane].first;
        active->blocked[lane].end = &active->blocked[lane].first;
    }
    active->capped.end = &active->capped.first;
    active->reports.end = &active->reports.first;
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
    if (message->place >= 0)
        active->in_slot[message->place]++;
}

void send_active_remove(struct send_active *active, struct send_message *message)
{
    struct send_message **link = active->buckets + bucket_of(message->id);
    while (*link != message)
        link = &(*link)->in_bucket;
    *link = message->in_bucket;
    active->count--;
    active->idle -= message->is_idle;
    if (message->place >= 0)
        active->in_slot[message->place]--;
}

/* LINK is the message's own for this list. */
static void push(struct send_list *list, struct send_message *message, struct send_message **link)
{
    *link = NULL;
    *list->end = message;
    list->end = link;
}

static struct send_message *pop_of_lane(struct send_list *list, enum send_lane lane)
{
    struct send_message *const message = list->first;
    if (!message)
        return NULL;
    list->first = message->in_lane[lane];
    if (!list->first)
        list->end = &list->first;
    return message;
}

void send_active_push_waiting(struct send_active *active, enum send_lane lane,
                              struct send_message *message)
{
    push(&active->waiting[lane], message, &message->in_lane[lane]);
    message->is_waiting[lane] = true;
    send_active_reckon(active, message);
}

void send_active_push_blocked(struct send_active *active, enum send_lane lane,
                              struct send_message *message)
{
    push(&active->blocked[lane], message, &message->in_lane[lane]);
    send_active_reckon(active, message);
}

void send_active_push_capped(struct send_active *active, struct send_message *message)
{
    push(&active->capped, message, &message->in_lane[SEND_LANE_REMOTE]);
    send_active_reckon(active, message);
}

struct send_message *send_active_pop(struct send_active *active, enum send_lane lane, bool room)
{
    struct send_message *message = pop_of_lane(&active->waiting[lane], lane);
    if (message)
        message->is_waiting[lane] = false;
    else if (room)
        message = pop_of_lane(&active->blocked[lane], lane);
    return message;
}

/* A message is in one list of a lane at most. */
static bool withdraw_from(struct send_list *list, enum send_lane lane,
                          struct send_message const *message)
{
    for (struct send_message **link = &list->first; *link; link = &(*link)->in_lane[lane])
        if (*link == message) {
            *link = message->in_lane[lane];
            if (!*link)
                list->end = link;
            return true;
        }
    return false;
}

static void withdraw_report(struct send_list *list, struct send_message *message)
{
    struct send_message **link = &list->first;
    while (*link != message)
        link = &(*link)->in_reports;
    *link = message->in_reports;
    if (!*link)
        list->end = link;
    message->report_waits = false;
}

void send_active_withdraw(struct send_active *active, struct send_message *message)
{
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++) {
        if (message->ended[lane])
            continue;
        if (!withdraw_from(&active->waiting[lane], lane, message) &&
            !withdraw_from(&active->blocked[lane], lane, message) && lane == SEND_LANE_REMOTE)
            withdraw_from(&active->capped, lane, message);
        message->is_waiting[lane] = false;
    }
    if (message->report_waits)
        withdraw_report(&active->reports, message);
    send_active_reckon(active, message);
}

void send_active_uncap(struct send_active *active)
{
    struct send_message *message;
    while ((message = pop_of_lane(&active->capped, SEND_LANE_REMOTE)))
        send_active_push_waiting(active, SEND_LANE_REMOTE, message);
}

void send_active_push_report(struct send_active *active, struct send_message *message)
{
    push(&active->reports, message, &message->in_reports);
    message->report_waits = true;
    send_active_reckon(active, message);
}

struct send_message *send_active_pop_report(struct send_active *active)
{
    struct send_message *const message = active->reports.first;
    if (!message)
        return NULL;
    active->reports.first = message->in_reports;
    if (!active->reports.first)
        active->reports.end = &active->reports.first;
    message->report_waits = false;
    return message;
}

void send_active_reckon(struct send_active *active, struct send_message *message)
{
    bool idle = message->in_flight == 0 && !message->report_waits && !send_message_is_over(message);
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++)
        idle = idle && !message->is_waiting[lane];
    active->idle += idle;
    active->idle -= message->is_idle;
    message->is_idle = idle;
}

bool send_active_has_waiting(struct send_active const *active)
{
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++)
        if (active->waiting[lane].first || active->blocked[lane].first)
            return true;
    return active->capped.first || active->reports.first;
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
