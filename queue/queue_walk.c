#include "queue/queue_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queue/send_folder.h"
#include "queue/send_place.h"

struct entry {
    char id[QUEUE_ID_LENGTH];
    int16_t place;
};

/* The entries with the lowest ids above `after`; while they are gathered, a heap with the highest
 * one first. */
struct batch {
    size_t count;
    bool begun, full;              /* there is an `after`; there were more */
    char after[QUEUE_ID_LENGTH];   /* done up to this one */
    char highest[QUEUE_ID_LENGTH]; /* that the first pass saw: what comes later is not ours */
    struct entry entries[QUEUE_WALK_BATCH];
};

static int compare(struct entry const *left, struct entry const *right)
{
    return memcmp(left->id, right->id, QUEUE_ID_LENGTH);
}

static int compare_for_sort(void const *left, void const *right)
{
    return compare(left, right);
}

static void swap(struct entry *left, struct entry *right)
{
    struct entry const kept = *left;
    *left = *right;
    *right = kept;
}

static void sink(struct batch *batch)
{
    for (size_t at = 0, child; (child = 2 * at + 1) < batch->count; at = child) {
        if (child + 1 < batch->count &&
            compare(batch->entries + child + 1, batch->entries + child) > 0)
            child++;
        if (compare(batch->entries + child, batch->entries + at) <= 0)
            return;
        swap(batch->entries + child, batch->entries + at);
    }
}

static void rise(struct batch *batch, size_t at)
{
    for (size_t parent;
         at && compare(batch->entries + (parent = (at - 1) / 2), batch->entries + at) < 0;
         at = parent)
        swap(batch->entries + parent, batch->entries + at);
}

static void add(struct batch *batch, int place, char const *id)
{
    struct entry entry = {.place = (int16_t)place};
    memcpy(entry.id, id, QUEUE_ID_LENGTH);
    if (!batch->begun) {
        if (memcmp(id, batch->highest, QUEUE_ID_LENGTH) > 0)
            memcpy(batch->highest, id, QUEUE_ID_LENGTH);
    } else if (memcmp(id, batch->after, QUEUE_ID_LENGTH) <= 0 ||
               memcmp(id, batch->highest, QUEUE_ID_LENGTH) > 0) {
        return;
    }
    if (batch->count < QUEUE_WALK_BATCH) {
        batch->entries[batch->count] = entry;
        rise(batch, batch->count++);
        return;
    }
    batch->full = true;
    if (compare(&entry, batch->entries) < 0) {
        batch->entries[0] = entry;
        sink(batch);
    }
}

/* Nothing was ever deferred to a slot that is missing. What is no folder is told of once. */
static bool is_passed_over(struct batch const *batch, int place, queue_walk_odd_func *other)
{
    char path[SEND_PLACE_PATH_MAX];
    if (errno == ENOENT)
        return true;
    if (!send_folder_is_other(errno))
        return false;
    send_place_folder(path, place);
    if (other && !batch->begun)
        other(path);
    return true;
}

static bool gather_folder(struct batch *batch, int queue, int place, queue_walk_odd_func *other)
{
    static struct send_odd odd = {.count = SEND_ODD_MAX}; /* the scheduler says what is odd */
    struct send_folder folder;
    char id[QUEUE_ID_LENGTH + 1];
    if (!send_folder_open(&folder, queue, place))
        return is_passed_over(batch, place, other);
    for (;;)
        switch (send_folder_next(&folder, &odd, id)) {
        case SEND_FOLDER_FILE:
            add(batch, place, id);
            break;
        case SEND_FOLDER_OTHER:
            break;
        case SEND_FOLDER_END:
            return true;
        case SEND_FOLDER_ERROR:
            return false;
        }
}

static bool gather(struct batch *batch, int queue, bool bad, queue_walk_odd_func *other)
{
    batch->count = 0;
    batch->full = false;
    for (int place = bad ? SEND_PLACE_BAD : SEND_PLACE_HOLD; place < QUEUE_SLOTS; place++)
        if (!gather_folder(batch, queue, place, other))
            return false;
    qsort(batch->entries, batch->count, sizeof *batch->entries, compare_for_sort);
    return true;
}

/* Where it has moved since it is looked for once more. */
static int open_entry(int queue, char const *id, int *place)
{
    int const descriptor = send_place_open(queue, *place, id, O_RDONLY);
    if (descriptor >= 0 || errno != ENOENT || !send_place_find(queue, id, place))
        return descriptor;
    return send_place_open(queue, *place, id, O_RDONLY);
}

static bool visit(struct batch const *batch, int queue, queue_walk_func *each, void *context)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct entry const *const entry = batch->entries + i;
        char id[QUEUE_ID_LENGTH + 1] = "";
        int place = entry->place;
        if (i && !compare(entry - 1, entry)) /* moved while the folders were read */
            continue;
        memcpy(id, entry->id, QUEUE_ID_LENGTH);
        int const descriptor = open_entry(queue, id, &place);
        if (descriptor < 0)
            continue; /* gone, or no file */
        bool const goes_on = each(context, place, id, descriptor);
        close(descriptor);
        if (!goes_on)
            return false;
    }
    return true;
}

bool queue_walk(int queue, bool bad, queue_walk_func *each, queue_walk_odd_func *odd, void *context)
{
    static struct batch batch;
    batch.begun = false;
    memset(batch.highest, 0, sizeof batch.highest);
    do {
        if (!gather(&batch, queue, bad, odd))
            return false;
        if (!visit(&batch, queue, each, context)) {
            errno = 0;
            return false;
        }
        batch.begun = true;
        if (batch.count)
            memcpy(batch.after, batch.entries[batch.count - 1].id, QUEUE_ID_LENGTH);
    } while (batch.full);
    return true;
}
