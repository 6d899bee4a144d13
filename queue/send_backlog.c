#include "queue/send_backlog.h"

#include <string.h>

#include "queue/send_place.h"

#define VOID INT16_MIN /* in place of a place: it was dropped, and only its queue has it still */

void send_backlog_start(struct send_backlog *backlog, unsigned int *in_slot, bool *again)
{
    backlog->in_slot = in_slot;
    backlog->again = again;
    backlog->end = &backlog->first;
}

/* The end of a name is random. */
static uint32_t *bucket_of(struct send_backlog *backlog, char const *id)
{
    unsigned int value = 0;
    for (size_t i = QUEUE_ID_LENGTH - 4; i < QUEUE_ID_LENGTH; i++)
        value = value * 37 + (unsigned char)id[i];
    return backlog->buckets + value % SEND_BACKLOG_BUCKETS;
}

static void unlist(struct send_backlog *backlog, struct send_backlog_queue *queue)
{
    *queue->back = queue->next;
    if (queue->next)
        queue->next->back = queue->back;
    else
        backlog->end = queue->back;
    queue->listed = false;
    backlog->listed--;
}

static void list(struct send_backlog *backlog, struct send_backlog_queue *queue)
{
    queue->next = NULL;
    queue->back = backlog->end;
    *backlog->end = queue;
    backlog->end = &queue->next;
    queue->listed = true;
    backlog->listed++;
}

/* A queue is in the list exactly when it has something. */
static void relist(struct send_backlog *backlog, struct send_backlog_queue *queue)
{
    bool const has = queue->count || queue->more;
    if (has && !queue->listed)
        list(backlog, queue);
    else if (!has && queue->listed)
        unlist(backlog, queue);
}

void send_backlog_rotate(struct send_backlog *backlog, struct send_backlog_queue *until)
{
    struct send_backlog_queue *queue;
    do {
        queue = backlog->first;
        unlist(backlog, queue);
        list(backlog, queue);
    } while (queue != until);
}

static void append(struct send_backlog *backlog, struct send_backlog_list *list, uint32_t number)
{
    backlog->entries[number].next = 0;
    if (list->last)
        backlog->entries[list->last].next = number;
    else
        list->first = number;
    list->last = number;
}

static uint32_t find(struct send_backlog const *backlog, char const *id)
{
    uint32_t number = *bucket_of((struct send_backlog *)backlog, id);
    while (number && memcmp(backlog->entries[number].id, id, QUEUE_ID_LENGTH) != 0)
        number = backlog->entries[number].in_bucket;
    return number;
}

static void take_from_bucket(struct send_backlog *backlog, uint32_t number)
{
    uint32_t *link = bucket_of(backlog, backlog->entries[number].id);
    while (*link != number)
        link = &backlog->entries[*link].in_bucket;
    *link = backlog->entries[number].in_bucket;
}

/* A message is no longer here: of NUMBER only its place in a queue is left, if at all. */
static void leave(struct send_backlog *backlog, uint32_t number)
{
    struct send_backlog_entry *const entry = backlog->entries + number;
    take_from_bucket(backlog, number);
    if (entry->place >= 0)
        backlog->in_slot[entry->place]--;
    entry->place = VOID;
}

static void release(struct send_backlog *backlog, struct send_backlog_queue *queue, uint32_t number)
{
    backlog->entries[number].next = backlog->free;
    backlog->free = number;
    queue->count--;
    backlog->count--;
}

/* --- places --- */

static unsigned int share_of(struct send_backlog const *backlog)
{
    return SEND_BACKLOG_MAX / (backlog->listed + 1);
}

/* Of LIST the first MOST keep their places. Returns how many these are. */
static unsigned int cut_list(struct send_backlog *backlog, struct send_backlog_queue *queue,
                             struct send_backlog_list *list, unsigned int most)
{
    unsigned int kept = 0;
    uint32_t *link = &list->first;
    list->last = 0;
    for (; *link && kept < most; kept++) {
        list->last = *link;
        link = &backlog->entries[*link].next;
    }
    uint32_t number = *link;
    *link = 0;
    while (number) {
        struct send_backlog_entry const *const entry = backlog->entries + number;
        uint32_t const next = entry->next;
        if (entry->place >= 0)
            backlog->again[entry->place] = true;
        if (entry->place != VOID)
            leave(backlog, number);
        release(backlog, queue, number);
        number = next;
    }
    return kept;
}

/* The longest queue has no more than its share then. All places are taken, so that is less. */
static void cut_longest(struct send_backlog *backlog)
{
    unsigned int const share = share_of(backlog), deferred = share / SEND_BACKLOG_SHARE;
    struct send_backlog_queue *longest = backlog->first;
    for (struct send_backlog_queue *queue = longest; queue; queue = queue->next)
        if (queue->count > longest->count)
            longest = queue;
    unsigned int const kept = cut_list(backlog, longest, &longest->fresh, share - deferred);
    cut_list(backlog, longest, &longest->deferred, share - kept);
    longest->more = true;
}

static bool make_room(struct send_backlog *backlog, struct send_backlog_queue const *queue)
{
    unsigned int const left = SEND_BACKLOG_MAX - backlog->count;
    if (queue->count >= left && queue->count >= share_of(backlog))
        return false;
    if (!left)
        cut_longest(backlog);
    return true;
}

bool send_backlog_wants(struct send_backlog const *backlog, struct send_backlog_queue const *queue)
{
    return queue->more && queue->count < SEND_BACKLOG_LOW && queue->count < share_of(backlog) / 2;
}

/* --- in and out --- */

bool send_backlog_add(struct send_backlog *backlog, struct send_backlog_queue *queue, int place,
                      char const *id)
{
    if (!make_room(backlog, queue)) {
        queue->more = true;
        relist(backlog, queue);
        return false;
    }
    uint32_t const number = backlog->free ? backlog->free : ++backlog->used;
    struct send_backlog_entry *const entry = backlog->entries + number;
    if (backlog->free)
        backlog->free = entry->next;
    uint32_t *const bucket = bucket_of(backlog, id);
    entry->place = (int16_t)place;
    memcpy(entry->id, id, sizeof entry->id);
    entry->in_bucket = *bucket;
    *bucket = number;
    if (place >= 0)
        backlog->in_slot[place]++;
    append(backlog, place == SEND_PLACE_NEW ? &queue->fresh : &queue->deferred, number);
    queue->count++;
    backlog->count++;
    relist(backlog, queue);
    return true;
}

/* The first of LIST, which has one, is not in it any more, and free. True when it was a message. */
static bool shift(struct send_backlog *backlog, struct send_backlog_queue *queue,
                  struct send_backlog_list *list, int *place, char id[QUEUE_ID_LENGTH + 1])
{
    uint32_t const number = list->first;
    struct send_backlog_entry *const entry = backlog->entries + number;
    list->first = entry->next;
    if (!list->first)
        list->last = 0;
    *place = entry->place;
    memcpy(id, entry->id, QUEUE_ID_LENGTH);
    id[QUEUE_ID_LENGTH] = 0;
    if (*place != VOID)
        leave(backlog, number);
    release(backlog, queue, number);
    return *place != VOID;
}

bool send_backlog_take(struct send_backlog *backlog, struct send_backlog_queue *queue, int *place,
                       char id[QUEUE_ID_LENGTH + 1])
{
    bool found = false;
    while (!found && queue->count) {
        bool const deferred = queue->deferred.first &&
                              (!queue->fresh.first || ++queue->turn % SEND_BACKLOG_SHARE == 0);
        found = shift(backlog, queue, deferred ? &queue->deferred : &queue->fresh, place, id);
    }
    relist(backlog, queue);
    return found;
}

bool send_backlog_has(struct send_backlog const *backlog, char const *id, int *place)
{
    uint32_t const number = find(backlog, id);
    if (number)
        *place = backlog->entries[number].place;
    return number;
}

void send_backlog_drop(struct send_backlog *backlog, char const *id)
{
    uint32_t const number = find(backlog, id);
    if (number)
        leave(backlog, number);
}

static void join(struct send_backlog *backlog, struct send_backlog_list *into,
                 struct send_backlog_list *from)
{
    if (!from->first)
        return;
    if (into->last)
        backlog->entries[into->last].next = from->first;
    else
        into->first = from->first;
    into->last = from->last;
    *from = (struct send_backlog_list){.first = 0};
}

void send_backlog_join(struct send_backlog *backlog, struct send_backlog_queue *into,
                       struct send_backlog_queue *from)
{
    join(backlog, &into->fresh, &from->fresh);
    join(backlog, &into->deferred, &from->deferred);
    into->count += from->count;
    into->more = into->more || from->more;
    from->count = 0;
    from->more = false;
    relist(backlog, into);
    relist(backlog, from);
}

void send_backlog_clear_more(struct send_backlog *backlog)
{
    struct send_backlog_queue *queue = backlog->first;
    while (queue) {
        struct send_backlog_queue *const next = queue->next;
        queue->more = false;
        relist(backlog, queue);
        queue = next;
    }
}
