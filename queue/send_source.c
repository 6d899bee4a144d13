#include "queue/send_source.h"

#include <errno.h>

#include "lib/log.h"
#include "queue/send_place.h"

bool send_source_start(struct send_source *source, int queue, uint64_t now, uint64_t clock)
{
    *source = (struct send_source){.queue = queue,
                                   .odd = {.aside = true, .queue = queue},
                                   .rescan = true,
                                   .look_at = clock + SEND_SOURCE_RESCAN};
    if (!send_wake_open(&source->wake, queue)) {
        log_failure("queue-not-opened", "wake: expected a FIFO", errno);
        return false;
    }
    send_wheel_start(&source->wheel, now, send_wheel_open(&source->wheel, queue));
    return true;
}

static void log_folder(int place, int number)
{
    struct log_line line;
    char folder[SEND_PLACE_PATH_MAX];
    send_place_folder(folder, place);
    log_begin(&line, "folder-not-read");
    log_text(&line, "folder", folder);
    log_errno(&line, number);
    log_text(&line, "next", "tried again in some minutes");
    log_write(&line);
}

static enum send_source_result next_fresh(struct send_source *source,
                                          struct send_candidate *candidate)
{
    if (!source->fresh.stream) {
        if (!source->rescan)
            return SEND_SOURCE_EMPTY;
        source->rescan = false;
        if (!send_folder_open(&source->fresh, source->queue, SEND_PLACE_NEW)) {
            log_folder(SEND_PLACE_NEW, errno);
            return SEND_SOURCE_EMPTY;
        }
    }
    switch (send_folder_next(&source->fresh, &source->odd, candidate->id)) {
    case SEND_FOLDER_FILE:
        candidate->place = SEND_PLACE_NEW;
        candidate->sweep = false;
        return SEND_SOURCE_FOUND;
    case SEND_FOLDER_ERROR:
        log_folder(SEND_PLACE_NEW, errno);
        break;
    case SEND_FOLDER_OTHER:
    case SEND_FOLDER_END:
        break;
    }
    return SEND_SOURCE_MORE;
}

static enum send_source_result skip_slot(struct send_source *source, int slot, int number)
{
    log_folder(slot, number);
    send_wheel_read(&source->wheel, slot, source->deferred_as);
    send_wheel_keep(&source->wheel, slot);
    return SEND_SOURCE_MORE;
}

static enum send_source_result next_deferred(struct send_source *source,
                                             struct send_candidate *candidate)
{
    if (!source->deferred.stream) {
        int const slot = send_wheel_next(&source->wheel);
        if (slot < 0)
            return SEND_SOURCE_EMPTY;
        source->deferred_as = source->wheel.slots[slot];
        if (!send_folder_open(&source->deferred, source->queue, slot))
            return skip_slot(source, slot, errno);
    }
    int const slot = source->deferred.place;
    switch (send_folder_next(&source->deferred, &source->odd, candidate->id)) {
    case SEND_FOLDER_FILE:
        candidate->place = slot;
        candidate->sweep = source->deferred_as == SEND_SLOT_SWEEP;
        return SEND_SOURCE_FOUND;
    case SEND_FOLDER_ERROR:
        return skip_slot(source, slot, errno);
    case SEND_FOLDER_END:
        send_wheel_read(&source->wheel, slot, source->deferred_as);
        break;
    case SEND_FOLDER_OTHER:
        break;
    }
    return SEND_SOURCE_MORE;
}

static enum send_source_result next_from_wake(struct send_source *source,
                                              struct send_candidate *candidate)
{
    if (!source->wake.dry && send_wake_next(&source->wake, candidate->id)) {
        candidate->place = SEND_PLACE_NEW;
        candidate->sweep = false;
        return SEND_SOURCE_FOUND;
    }
    /* Only now: what the FIFO held is taken, so new/ holds what was dropped and little else. */
    if (source->wake.overflow && source->wake.dry) {
        source->wake.overflow = false;
        source->rescan = true;
    }
    return source->wake.dry ? SEND_SOURCE_EMPTY : SEND_SOURCE_MORE;
}

enum send_source_result send_source_next(struct send_source *source,
                                         struct send_candidate *candidate)
{
    typedef enum send_source_result next_func(struct send_source *, struct send_candidate *);
    static next_func *const orders[2][3] = {{next_from_wake, next_fresh, next_deferred},
                                            {next_deferred, next_fresh, next_from_wake}};
    next_func *const *const order = orders[++source->turn % SEND_SOURCE_SHARE == 0];
    for (unsigned int i = 0; i < 3; i++) {
        enum send_source_result const result = order[i](source, candidate);
        if (result != SEND_SOURCE_EMPTY)
            return result;
    }
    return SEND_SOURCE_EMPTY;
}

bool send_source_tick(struct send_source *source, uint64_t now, uint64_t clock)
{
    send_wheel_advance(&source->wheel, now);
    if (clock < source->look_at)
        return false;
    source->look_at = clock + SEND_SOURCE_RESCAN;
    source->looked_at = clock;
    source->rescan = true;
    send_wheel_again_all(&source->wheel);
    return true;
}

static void look_before(struct send_source *source, uint64_t clock)
{
    if (source->look_at > clock)
        source->look_at = clock;
}

void send_source_soon(struct send_source *source, uint64_t clock)
{
    look_before(source, clock + SEND_SOURCE_SOON);
}

void send_source_refill(struct send_source *source, uint64_t clock)
{
    uint64_t const earliest = source->looked_at + SEND_SOURCE_REFILL;
    look_before(source, clock > earliest ? clock : earliest);
}

void send_source_all(struct send_source *source)
{
    source->rescan = true;
    send_wheel_again_all(&source->wheel);
    send_wheel_sweep(&source->wheel);
}

/* A slot that is being read just now is looked at once more soon. */
void send_source_resume(struct send_source *source, uint64_t clock)
{
    send_wheel_unpark_all(&source->wheel);
    send_source_soon(source, clock);
}

void send_source_keep(struct send_source *source, int place)
{
    if (place >= 0)
        send_wheel_keep(&source->wheel, place);
}
