#include "queue/send_park.h"

#include "queue/send_take.h"
#include "queue/send_waiting.h"

#define SHARE      4 /* of what is left, for one destination */
#define LARGE_ONES 8 /* messages that wait in line, however many recipients they have */
#define MORE_THAN  8 /* beside two for each place of it */

static bool has_memory(struct send const *send)
{
    struct send_active const *const active = &send->active;
    return active->parked < LARGE_ONES || active->parked_recipients < SEND_PARKED_RECIPIENTS_MAX;
}

/* How many messages are of use in LINE. */
static unsigned int bound_of(struct send const *send, struct send_line const *line)
{
    unsigned int const parked = send->active.parked;
    bool const room = parked < SEND_PARKED_MAX && has_memory(send);
    unsigned int const share = room ? (SEND_PARKED_MAX - parked) / SHARE : 0;
    unsigned int const wanted = 2 * send_destination_width(line, send->settings.remote) + MORE_THAN;
    return wanted < share ? wanted : share;
}

/* Who comes new does not overtake those of the backlog. */
static bool is_behind(struct send_message const *message, struct send_backlog_queue const *queue)
{
    return queue->count && message->drawn != queue;
}

void send_park_remote(struct send *send, struct send_message *message, uint64_t now)
{
    struct send_window const *const window = &message->window;
    bool surplus = true;
    for (uint32_t i = 0; i < window->group_count && surplus; i++) {
        struct send_line const *const line =
            send_waiting_line(&send->destinations, message, window->groups[i].destination, now);
        surplus = line->waiting >= bound_of(send, line) || is_behind(message, &line->backlog);
    }
    /* Of the large ones those that are in line are enough: the others leave the memory as soon as
     * what they have in flight has ended, and hand out nothing more until then. */
    if (!surplus || has_memory(send)) {
        send_waiting_add(&send->destinations, message, now);
        send->active.parked++;
        send->active.parked_recipients += message->content.recipient_count;
    }
    message->is_surplus[SEND_LANE_REMOTE] = surplus;
    send_active_reckon(&send->active, message);
    if (surplus)
        send_active_touch(&send->active, message);
}

void send_park_local(struct send *send, struct send_message *message)
{
    bool const surplus = send->active.blocked[SEND_LANE_LOCAL].count >= SEND_LOCAL_MAX ||
                         is_behind(message, &send->behind_local);
    send_active_push_blocked(&send->active, SEND_LANE_LOCAL, message);
    message->is_surplus[SEND_LANE_LOCAL] = surplus;
    if (surplus)
        send_active_touch(&send->active, message);
}

/* It was taken out of the lines. */
static void count_out(struct send *send, struct send_message *message)
{
    send->active.parked--;
    send->active.parked_recipients -= message->content.recipient_count;
    message->is_surplus[SEND_LANE_REMOTE] = false;
}

void send_park_leave(struct send *send, struct send_message *message)
{
    if (!message->is_parked)
        return;
    send_waiting_remove(&send->destinations, message);
    count_out(send, message);
}

struct send_message *send_park_call(struct send *send, uint64_t now)
{
    struct send_message *const message =
        send_waiting_next(&send->destinations, send->settings.remote, now);
    if (message)
        count_out(send, message);
    return message;
}

void send_park_call_all(struct send *send)
{
    struct send_message *message;
    while ((message = send_waiting_any(&send->destinations))) {
        count_out(send, message);
        send_active_push_waiting(&send->active, SEND_LANE_REMOTE, message);
    }
}

void send_park_sort_anew(struct send *send)
{
    for (struct send_backlog_queue *queue = send->backlog.first, *next; queue; queue = next) {
        next = queue->next;
        if (queue->line)
            send_backlog_join(&send->backlog, &send->unsorted, queue);
    }
}

/* --- put back --- */

static bool is_too_much(struct send_message const *message)
{
    if (message->in_flight || message->report_waits || message->corrupt || message->left ||
        send_message_is_over(message))
        return false;
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++)
        if (!message->ended[lane] && !message->is_surplus[lane])
            return false;
    return true;
}

/* Local places come free soon, as a rule; of the destinations the one with the fewest. */
static struct send_backlog_queue *queue_of(struct send *send, struct send_message const *message)
{
    uint64_t const now = send_clock_milliseconds();
    struct send_backlog_queue *best = NULL;
    if (!message->ended[SEND_LANE_LOCAL])
        return &send->behind_local;
    for (uint32_t i = 0; i < message->window.group_count; i++) {
        struct send_backlog_queue *const queue =
            &send_waiting_line(&send->destinations, message, message->window.groups[i].destination,
                               now)
                 ->backlog;
        if (!best || queue->count < best->count)
            best = queue;
    }
    return best;
}

bool send_park_put_back(struct send *send, struct send_message *message)
{
    if (send->stopping || !is_too_much(message))
        return false;
    struct send_backlog_queue *const queue = queue_of(send, message);
    send_park_leave(send, message);
    send_active_remove_blocked(&send->active, SEND_LANE_LOCAL, message);
    send_active_remove(&send->active, message);
    if (!send_backlog_add(&send->backlog, queue, message->place, message->id))
        send_source_keep(&send->source, message->place);
    send_message_free(message);
    return true;
}

/* --- drawn again --- */

/* How many of QUEUE are of use now. Where nobody may wait because too many do elsewhere, one for
 * each of the SPARE places that nobody could take. */
static unsigned int use_of(struct send const *send, struct send_backlog_queue const *queue,
                           uint64_t spare, uint64_t now)
{
    struct send_line const *const line = queue->line;
    unsigned int waiting = send->active.blocked[SEND_LANE_LOCAL].count, bound = SEND_LOCAL_MAX;
    if (queue == &send->unsorted)
        return UINT32_MAX;
    if (line) {
        enum send_destination_state const state =
            send_destination_state(&send->destinations, line, send->settings.remote, now);
        if (state == SEND_DESTINATION_DEAD) /* they are put off */
            return UINT32_MAX;
        waiting = line->waiting;
        bound = bound_of(send, line);
        if (bound == 0 && waiting == 0 && state == SEND_DESTINATION_READY && spare)
            return 1;
    }
    return 2 * waiting < bound ? bound - waiting : 0;
}

static unsigned int draw_from(struct send *send, struct send_backlog_queue *queue,
                              unsigned int most, bool (*has_room)(struct send const *))
{
    unsigned int drawn = 0;
    struct send_candidate candidate = {.sweep = false, .from = queue};
    while (drawn < most && has_room(send) &&
           send_backlog_take(&send->backlog, queue, &candidate.place, candidate.id)) {
        send_take(send, &candidate);
        drawn++;
    }
    return drawn;
}

unsigned int send_park_draw(struct send *send, unsigned int most,
                            bool (*has_room)(struct send const *))
{
    uint64_t const now = send_clock_milliseconds();
    uint64_t const limit = send->settings.remote, busy = send->destinations.in_flight;
    uint64_t spare = busy < limit ? limit - busy : 0;
    struct send_backlog_queue *until = NULL;
    unsigned int drawn = 0;
    bool more = false;
    for (struct send_backlog_queue *queue = send->backlog.first, *next; queue && drawn < most;
         queue = next) {
        next = queue->next;
        unsigned int const left = most - drawn, use = use_of(send, queue, spare, now);
        unsigned int const here = draw_from(send, queue, use < left ? use : left, has_room);
        drawn += here;
        spare -= here < spare ? here : spare;
        if (here && queue->listed)
            until = queue;
        more = more || send_backlog_wants(&send->backlog, queue);
    }
    if (until)
        send_backlog_rotate(&send->backlog, until);
    if (more)
        send_source_refill(&send->source, send_clock());
    return drawn;
}

/* Of the moment at which places were handed out: whose time has come since then would be forgotten
 * by a look at those whose time is still to come, and nothing else wakes the scheduler for it. */
uint64_t send_park_time(struct send const *send, uint64_t now)
{
    uint64_t const then = send->dispatched_at, since = now > then ? now - then : 0;
    uint64_t least = send_waiting_time(&send->destinations, then);
    for (struct send_backlog_queue const *queue = send->backlog.first; queue; queue = queue->next) {
        uint64_t const wait =
            queue->line ? send_destination_time(queue->line->destination, then) : UINT64_MAX;
        if (wait < least)
            least = wait;
    }
    if (least == UINT64_MAX)
        return least;
    return least > since ? least - since : 0;
}
