#include "queue/send_wheel.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "lib/log.h"

#define CURSOR_DIGITS     20
#define TICK_MILLISECONDS 50 /* more than a tick of any kernel */

static struct timespec read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now;
}

static void mark(struct send_wheel *wheel, uint64_t tick, enum send_slot state)
{
    enum send_slot *const slot = wheel->slots + tick % QUEUE_SLOTS;
    if (*slot == SEND_SLOT_QUIET)
        wheel->waiting++;
    if (*slot < state)
        *slot = state;
}

static bool is_after(struct timespec const *left, struct timespec const *right)
{
    return left->tv_sec > right->tv_sec ||
           (left->tv_sec == right->tv_sec && left->tv_nsec > right->tv_nsec);
}

/* A moment that no stamp of a file is behind so far, and every later one is. Files are stamped by
 * the coarse clock, and since Linux 6.13 also by the fine one: within a tick the two cannot be told
 * apart, and what is deferred now would seem to be younger than the sweep, or older. So its end is
 * waited for: some milliseconds. (Not for the coarse clock's next step: that may be overdue, and
 * then shows a time that has passed.) */
static struct timespec just_before_next_tick(void)
{
    struct timespec const now = read_clock(CLOCK_REALTIME);
    struct timespec tick = read_clock(CLOCK_REALTIME_COARSE);
    for (unsigned int looks = 0; !is_after(&tick, &now) && looks < TICK_MILLISECONDS; looks++) {
        poll(NULL, 0, 1);
        tick = read_clock(CLOCK_REALTIME_COARSE);
    }
    if (tick.tv_nsec > 0)
        tick.tv_nsec--;
    else
        tick = (struct timespec){.tv_sec = tick.tv_sec - 1, .tv_nsec = 999999999};
    return tick;
}

void send_wheel_sweep(struct send_wheel *wheel)
{
    wheel->sweep_began = just_before_next_tick();
    for (unsigned int slot = 0; slot < QUEUE_SLOTS; slot++)
        mark(wheel, slot, SEND_SLOT_SWEEP);
}

void send_wheel_start(struct send_wheel *wheel, uint64_t now, uint64_t cursor)
{
    uint64_t const next = now / QUEUE_SLOT_SECONDS + 1;
    uint64_t const from = cursor / QUEUE_SLOT_SECONDS;
    int const descriptor = wheel->cursor;
    *wheel = (struct send_wheel){.taken = next, .cursor = descriptor, .cursor_tick = from};
    if (!cursor || from > next || next - from > QUEUE_SLOTS) {
        send_wheel_sweep(wheel);
        return;
    }
    for (uint64_t tick = from; tick < next; tick++)
        mark(wheel, tick, SEND_SLOT_DUE);
}

void send_wheel_advance(struct send_wheel *wheel, uint64_t now)
{
    uint64_t const next = now / QUEUE_SLOT_SECONDS + 1;
    if (next + 1 < wheel->taken || next > wheel->taken + QUEUE_SLOTS) {
        log_failure("clock-jumped",
                    "the time changed by more than the wheel can follow: "
                    "all deferred messages are tried now",
                    0);
        wheel->taken = next;
        send_wheel_sweep(wheel);
        return;
    }
    for (; wheel->taken < next; wheel->taken++)
        mark(wheel, wheel->taken, SEND_SLOT_DUE);
}

uint64_t send_wheel_wait(struct send_wheel const *wheel, uint64_t now)
{
    uint64_t const due = wheel->taken * QUEUE_SLOT_SECONDS;
    if (due <= now)
        return 0;
    return due - now < QUEUE_SLOT_SECONDS ? due - now : QUEUE_SLOT_SECONDS;
}

int send_wheel_next(struct send_wheel const *wheel)
{
    if (!wheel->waiting)
        return -1;
    for (uint64_t tick = wheel->taken; tick < wheel->taken + QUEUE_SLOTS; tick++)
        if (wheel->slots[tick % QUEUE_SLOTS] != SEND_SLOT_QUIET)
            return (int)(tick % QUEUE_SLOTS);
    return -1;
}

void send_wheel_read(struct send_wheel *wheel, int slot, enum send_slot as)
{
    if (wheel->slots[slot] == SEND_SLOT_QUIET || wheel->slots[slot] != as)
        return;
    wheel->slots[slot] = SEND_SLOT_QUIET;
    wheel->waiting--;
}

/* A change that lies in the future was made by a clock that has been set back since. Which it does
 * is a question to the fine clock: since Linux 6.13 a file may be stamped by that, and then lies
 * ahead of the coarse one for some milliseconds. */
bool send_wheel_is_tried(struct send_wheel const *wheel, struct timespec const *changed)
{
    struct timespec const now = read_clock(CLOCK_REALTIME);
    return is_after(changed, &wheel->sweep_began) && !is_after(changed, &now);
}

int send_wheel_slot(struct send_wheel const *wheel, uint64_t now, uint64_t delay)
{
    if (delay > SEND_WHEEL_LONGEST)
        delay = SEND_WHEEL_LONGEST;
    /* Rounded up: a slot is read when its tick begins, and nothing is tried before its time. */
    uint64_t tick = (now + delay + QUEUE_SLOT_SECONDS - 1) / QUEUE_SLOT_SECONDS;
    /* The clock may have been set back since the last look at it: never into a slot just taken. */
    if (tick < wheel->taken)
        tick = wheel->taken;
    return (int)(tick % QUEUE_SLOTS);
}

void send_wheel_keep(struct send_wheel *wheel, int slot)
{
    wheel->again[slot] = true;
}

void send_wheel_again_all(struct send_wheel *wheel)
{
    /* A slot that is being read keeps its flag: what stayed behind may lie before the reader. */
    for (unsigned int slot = 0; slot < QUEUE_SLOTS; slot++)
        if (wheel->again[slot] && wheel->slots[slot] == SEND_SLOT_QUIET) {
            mark(wheel, slot, SEND_SLOT_DUE);
            wheel->again[slot] = false;
        }
}

int send_wheel_parking(struct send_wheel const *wheel)
{
    return (int)((wheel->taken - 1) % QUEUE_SLOTS);
}

void send_wheel_park(struct send_wheel *wheel, int slot)
{
    wheel->parked[slot] = true;
}

void send_wheel_unpark_all(struct send_wheel *wheel)
{
    for (unsigned int slot = 0; slot < QUEUE_SLOTS; slot++) {
        wheel->again[slot] = wheel->again[slot] || wheel->parked[slot];
        wheel->parked[slot] = false;
    }
    send_wheel_again_all(wheel);
}

uint64_t send_wheel_open(struct send_wheel *wheel, int queue)
{
    char text[CURSOR_DIGITS + 2] = {0};
    uint64_t time = 0;
    wheel->cursor =
        openat(queue, "wheel/cursor", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0660);
    if (wheel->cursor < 0)
        return 0;
    ssize_t const length = pread(wheel->cursor, text, sizeof text - 1, 0);
    if (length != CURSOR_DIGITS + 1 || text[CURSOR_DIGITS] != '\n')
        return 0;
    text[CURSOR_DIGITS] = 0;
    return uint640_scan(text, &time) ? time : 0;
}

/* The oldest tick of which something is left: all before it are done with. */
static uint64_t oldest_tick(struct send_wheel const *wheel, unsigned int const busy[QUEUE_SLOTS])
{
    uint64_t const first = wheel->taken > QUEUE_SLOTS ? wheel->taken - QUEUE_SLOTS : 0;
    for (uint64_t tick = first; tick < wheel->taken; tick++) {
        uint64_t const slot = tick % QUEUE_SLOTS;
        if (wheel->slots[slot] != SEND_SLOT_QUIET || wheel->again[slot] || wheel->parked[slot] ||
            busy[slot])
            return tick;
    }
    return wheel->taken;
}

void send_wheel_save(struct send_wheel *wheel, unsigned int const busy[QUEUE_SLOTS])
{
    char text[CURSOR_DIGITS + 1];
    uint64_t const tick = oldest_tick(wheel, busy);
    uint64_t time = tick * QUEUE_SLOT_SECONDS;
    if (wheel->cursor < 0 || tick == wheel->cursor_tick)
        return;
    text[CURSOR_DIGITS] = '\n';
    for (size_t i = CURSOR_DIGITS; i-- > 0; time /= 10)
        text[i] = (char)('0' + time % 10);
    if (pwrite(wheel->cursor, text, sizeof text, 0) != (ssize_t)sizeof text)
        return; /* the old cursor is older, which costs a look at more slots and nothing else */
    /* Back, for what is parked: a later one must not be what a crash leaves. */
    if (tick < wheel->cursor_tick)
        (void)fdatasync(wheel->cursor);
    wheel->cursor_tick = tick;
}
