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

static void push_to_lane(struct send_list *list, enum send_lane lane, struct send_message *message)
{
    message->in_lane[lane] = NULL;
    message->back_in_lane[lane] = list->end;
    *list->end = message;
    list->end = &message->in_lane[lane];
    list->count++;
}

static void remove_from_lane(struct send_list *list, enum send_lane lane,
                             struct send_message *message)
{
    struct send_message *const next = message->in_lane[lane];
    *message->back_in_lane[lane] = next;
    if (next)
        next->back_in_lane[lane] = message->back_in_lane[lane];
    else
        list->end = message->back_in_lane[lane];
    list->count--;
}

void send_active_push_waiting(struct send_active *active, enum send_lane lane,
                              struct send_message *message)
{
    push_to_lane(&active->waiting[lane], lane, message);
    message->is_waiting[lane] = true;
    send_active_reckon(active, message);
}

void send_active_push_blocked(struct send_active *active, enum send_lane lane,
                              struct send_message *message)
{
    push_to_lane(&active->blocked[lane], lane, message);
    message->is_blocked[lane] = true;
    send_active_reckon(active, message);
}

void send_active_remove_blocked(struct send_active *active, enum send_lane lane,
                                struct send_message *message)
{
    if (!message->is_blocked[lane])
        return;
    remove_from_lane(&active->blocked[lane], lane, message);
    message->is_blocked[lane] = message->is_surplus[lane] = false;
}

struct send_message *send_active_pop(struct send_active *active, enum send_lane lane, bool room)
{
    struct send_message *const blocked = room ? active->blocked[lane].first : NULL;
    struct send_message *const message = active->waiting[lane].first;
    if (blocked) {
        send_active_remove_blocked(active, lane, blocked);
        return blocked;
    }
    if (message) {
        remove_from_lane(&active->waiting[lane], lane, message);
        message->is_waiting[lane] = false;
    }
    return message;
}

static void withdraw_report(struct send_list *list, struct send_message *message)
{
    struct send_message **link = &list->first;
    while (*link != message)
        link = &(*link)->in_reports;
    *link = message->in_reports;
    if (!*link)
        list->end = link;
    list->count--;
    message->report_waits = false;
}

void send_active_withdraw(struct send_active *active, struct send_message *message)
{
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++) {
        if (message->is_waiting[lane])
            remove_from_lane(&active->waiting[lane], lane, message);
        message->is_waiting[lane] = false;
        send_active_remove_blocked(active, lane, message);
    }
    if (message->report_waits)
        withdraw_report(&active->reports, message);
    send_active_reckon(active, message);
}

void send_active_push_report(struct send_active *active, struct send_message *message)
{
    message->in_reports = NULL;
    *active->reports.end = message;
    active->reports.end = &message->in_reports;
    active->reports.count++;
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
    active->reports.count--;
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
    return active->reports.first;
}

void send_active_touch(struct send_active *active, struct send_message *message)
{
    if (message->is_touched)
        return;
    message->is_touched = true;
    message->in_touched = active->touched;
    active->touched = message;
}

void send_active_touch_over(struct send_active *active)
{
    for (unsigned int bucket = 0; bucket < SEND_ACTIVE_BUCKETS; bucket++)
        for (struct send_message *message = active->buckets[bucket]; message;
             message = message->in_bucket)
            if (send_message_is_over(message))
                send_active_touch(active, message);
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
