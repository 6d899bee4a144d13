#include "queue/queue_room.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/control_size.h"
#include "lib/log.h"
#include "lib/paused.h"

#define MAXQUEUE_MAX 1000000000
#define MORE         16 /* of what is asked for, the part that has to be there besides */

enum control_result queue_limits_load(struct queue_limits *limits, struct control const *control,
                                      struct control_error *error)
{
    struct queue_limits loaded = {.minfree = QUEUE_MINFREE};
    bool paused[PAUSED_COUNT];
    if (control_size(control, "minfree", &loaded.minfree, error) == CONTROL_ERROR ||
        control_number(control, "maxqueue", &loaded.maxqueue, 0, MAXQUEUE_MAX, error) ==
            CONTROL_ERROR ||
        paused_load(paused, control, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    loaded.paused = paused[PAUSED_INTAKE];
    *limits = loaded;
    return CONTROL_OK;
}

void queue_room_open(struct queue_room *room, int queue)
{
    /* A path only: a dialogue that is taken over could do nothing with it, not even read. */
    *room = (struct queue_room){
        .descriptor = openat(queue, QUEUE_COUNT_FILE, O_PATH | O_NOFOLLOW | O_CLOEXEC)};
    int const count = queue_count_open(queue, false);
    if (count >= 0) {
        room->count = queue_count_map(count, false);
        close(count);
    }
    void *const memory =
        mmap(NULL, sizeof *room->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    room->shared = memory == MAP_FAILED ? NULL : memory;
}

void queue_room_close(struct queue_room *room)
{
    if (room->descriptor >= 0)
        close(room->descriptor);
    queue_count_unmap(room->count);
    if (room->shared)
        munmap(room->shared, sizeof *room->shared);
    *room = (struct queue_room){.descriptor = -1};
}

void queue_room_pause(struct queue_room const *room, struct queue_limits const *limits)
{
    if (room->shared)
        atomic_store(&room->shared->paused, limits->paused);
}

bool queue_room_is_paused(struct queue_room const *room, struct queue_limits const *limits)
{
    return room->shared ? atomic_load(&room->shared->paused) : limits->paused;
}

/* What is there, as far as it is asked for. */
struct stock {
    bool known; /* bytes and inodes are */
    uint64_t bytes, inodes, messages;
};

static void take_stock(struct stock *stock, struct queue_room const *room,
                       struct queue_limits const *limits)
{
    struct statfs system;
    *stock = (struct stock){.messages = queue_count_messages(room->count)};
    if (!limits->minfree || room->descriptor < 0 || fstatfs(room->descriptor, &system) != 0)
        return;
    uint64_t const block = (uint64_t)(system.f_frsize ? system.f_frsize : system.f_bsize);
    stock->known = true;
    stock->bytes = system.f_bavail > UINT64_MAX / block ? UINT64_MAX : system.f_bavail * block;
    /* btrfs has no number of inodes. */
    stock->inodes = system.f_files ? system.f_ffree : UINT64_MAX;
}

static uint64_t with_more(uint64_t number, bool more)
{
    uint64_t const part = more ? number / MORE : 0;
    return number > UINT64_MAX - part ? UINT64_MAX : number + part;
}

static enum queue_lack judge(struct stock const *stock, struct queue_limits const *limits,
                             enum queue_lack before)
{
    uint64_t const inodes = limits->minfree / QUEUE_BYTES_AN_INODE;
    uint64_t const most = limits->maxqueue;
    if (stock->known && stock->bytes < with_more(limits->minfree, before == QUEUE_LACKS_BYTES))
        return QUEUE_LACKS_BYTES;
    if (stock->known && stock->inodes < with_more(inodes, before == QUEUE_LACKS_INODES))
        return QUEUE_LACKS_INODES;
    if (most && stock->messages >= most - (before == QUEUE_LACKS_PLACES ? most / MORE : 0))
        return QUEUE_LACKS_PLACES;
    return QUEUE_LACKS_NOTHING;
}

static void log_change(struct stock const *stock, struct queue_limits const *limits,
                       enum queue_lack lack)
{
    static char const *const lacks[] = {[QUEUE_LACKS_BYTES] = "disk space",
                                        [QUEUE_LACKS_INODES] = "inodes",
                                        [QUEUE_LACKS_PLACES] = "places (maxqueue)"};
    struct log_line line;
    log_begin(&line, lack ? "queue-full" : "queue-has-room");
    if (lack)
        log_text(&line, "lacks", lacks[lack]);
    if (stock->known) {
        log_number(&line, "free", stock->bytes);
        log_number(&line, "minfree", limits->minfree);
        if (stock->inodes != UINT64_MAX)
            log_number(&line, "inodes", stock->inodes);
    }
    if (limits->maxqueue) {
        log_number(&line, "messages", stock->messages);
        log_number(&line, "maxqueue", limits->maxqueue);
    }
    if (lack)
        log_text(&line, "next", "new mail is put off until there is room");
    log_write(&line);
}

enum queue_lack queue_room_look(struct queue_room const *room, struct queue_limits const *limits,
                                uint64_t size)
{
    struct stock stock;
    struct queue_room_shared *const shared = room->shared;
    int before = shared ? atomic_load(&shared->lack) : QUEUE_LACKS_NOTHING;
    if (queue_room_is_paused(room, limits))
        return QUEUE_IS_PAUSED;
    if (!limits->minfree && !limits->maxqueue)
        return QUEUE_LACKS_NOTHING;
    take_stock(&stock, room, limits);
    enum queue_lack const lack = judge(&stock, limits, (enum queue_lack)before);
    if (shared && lack != (enum queue_lack)before &&
        atomic_compare_exchange_strong(&shared->lack, &before, (int)lack))
        log_change(&stock, limits, lack);
    if (lack == QUEUE_LACKS_NOTHING && stock.known && stock.bytes - limits->minfree < size)
        return QUEUE_LACKS_FOR_THIS;
    return lack;
}
