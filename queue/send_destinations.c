#include "queue/send_destinations.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LOOKED_AT 16 /* entries, for one that holds nothing */

/* --- the table --- */

static void clear(struct send_destination *destination, uint64_t key)
{
    memset(destination, 0, sizeof *destination);
    destination->key = key;
    destination->start = destination->window = SEND_DESTINATION_START;
    for (enum send_kind kind = 0; kind < SEND_KINDS; kind++) {
        struct send_line *const line = destination->lines + kind;
        line->destination = destination;
        line->kind = kind;
        line->end = &line->first;
        line->backlog.line = line;
    }
}

void send_destinations_start(struct send_destinations *destinations)
{
    destinations->hungry_end = &destinations->hungry;
    clear(&destinations->shared, 0);
    destinations->shared.window = SEND_DESTINATION_WIDEST;
}

bool send_destination_is_held(struct send_destination const *destination)
{
    bool held = destination->in_flight;
    for (enum send_kind kind = 0; kind < SEND_KINDS; kind++)
        held = held || destination->lines[kind].waiting || destination->lines[kind].backlog.listed;
    return held;
}

/* Would something be forgotten that matters? */
static bool is_worth(struct send_destination const *destination, uint64_t now)
{
    return (destination->window == 0 && now < destination->dead_until) ||
           now < destination->rate_at;
}

static struct send_destination **bucket_of(struct send_destinations *destinations, uint64_t key)
{
    return destinations->buckets + key % SEND_DESTINATIONS_BUCKETS;
}

static void take_out_of_order(struct send_destinations *destinations,
                              struct send_destination *entry)
{
    *(entry->older ? &entry->older->newer : &destinations->oldest) = entry->newer;
    *(entry->newer ? &entry->newer->older : &destinations->newest) = entry->older;
}

static void put_newest(struct send_destinations *destinations, struct send_destination *entry)
{
    entry->newer = NULL;
    entry->older = destinations->newest;
    *(entry->older ? &entry->older->newer : &destinations->oldest) = entry;
    destinations->newest = entry;
}

/* The entry to use anew: of the oldest ones one that holds nothing, else one that nobody needs.
 * Those that are needed become the newest, so that the next look goes on behind them. NULL: none
 * was found.
 */
static struct send_destination *find_idle(struct send_destinations *destinations, uint64_t now)
{
    struct send_destination *first = NULL, *entry = destinations->oldest, *next;
    for (unsigned int seen = 0; seen < LOOKED_AT && entry; seen++, entry = next) {
        next = entry->newer;
        if (send_destination_is_held(entry)) {
            take_out_of_order(destinations, entry);
            put_newest(destinations, entry);
        } else if (!is_worth(entry, now)) {
            return entry;
        } else if (!first) {
            first = entry;
        }
    }
    return first;
}

static void forget(struct send_destinations *destinations, struct send_destination *entry)
{
    struct send_destination **link = bucket_of(destinations, entry->key);
    while (*link != entry)
        link = &(*link)->in_bucket;
    *link = entry->in_bucket;
    take_out_of_order(destinations, entry);
}

struct send_destination *send_destinations_find(struct send_destinations *destinations,
                                                uint64_t key, uint64_t now)
{
    struct send_destination **const bucket = bucket_of(destinations, key);
    struct send_destination *entry = *bucket;
    while (entry && entry->key != key)
        entry = entry->in_bucket;
    if (entry) {
        take_out_of_order(destinations, entry);
        put_newest(destinations, entry);
        return entry;
    }
    if (destinations->used < SEND_DESTINATIONS_MAX) {
        entry = destinations->table + destinations->used++;
    } else {
        entry = find_idle(destinations, now);
        if (!entry)
            return &destinations->shared;
        forget(destinations, entry);
    }
    clear(entry, key);
    entry->in_bucket = *bucket;
    *bucket = entry;
    put_newest(destinations, entry);
    return entry;
}

void send_destination_set(struct send_destination *destination, uint64_t serial,
                          struct smtproute_host const *host, struct send_limits const *limits,
                          unsigned int start)
{
    bool const is_new = destination->serial == 0;
    destination->serial = serial;
    destination->limits = *limits;
    snprintf(destination->name, sizeof destination->name, "%.*s", SEND_DESTINATION_NAME - 1,
             host->name);
    destination->port = host->port;
    destination->start = start;
    if (is_new)
        destination->window = start;
}

/* --- what one may have --- */

static uint64_t half_of(uint64_t limit)
{
    return limit > 1 ? limit / 2 : 1;
}

unsigned int send_destination_width(struct send_line const *line, uint64_t limit)
{
    struct send_destination const *const destination = line->destination;
    uint64_t width = destination->window ? destination->window : 1;
    uint64_t const half = half_of(line->kind == SEND_KIND_REPORT ? half_of(limit) : limit);
    if (width > half)
        width = half;
    if (destination->limits.connections && width > destination->limits.connections)
        width = destination->limits.connections;
    return (unsigned int)width;
}

/* Has one with OWN places as many as it may, where ALL of LIMIT are taken? */
static bool has_its_share(uint64_t own, uint64_t all, uint64_t limit)
{
    return all >= limit || (own && own >= limit - all);
}

enum send_destination_state send_destination_state(struct send_destinations const *destinations,
                                                   struct send_line const *line, uint64_t limit,
                                                   uint64_t now)
{
    struct send_destination const *const destination = line->destination;
    if (destination->window == 0 && now < destination->dead_until)
        return SEND_DESTINATION_DEAD;
    bool const full = has_its_share(destination->in_flight, destinations->in_flight, limit) ||
                      destination->in_flight >=
                          send_destination_width(destination->lines + SEND_KIND_MAIL, limit) ||
                      (line->kind == SEND_KIND_REPORT &&
                       (has_its_share(line->in_flight, destinations->reports, half_of(limit)) ||
                        line->in_flight >= send_destination_width(line, limit))) ||
                      send_destination_time(destination, now) != UINT64_MAX;
    return full ? SEND_DESTINATION_FULL : SEND_DESTINATION_READY;
}

uint64_t send_destination_time(struct send_destination const *destination, uint64_t now)
{
    return destination->limits.rate && destination->rate_at > now ? destination->rate_at - now
                                                                  : UINT64_MAX;
}

void send_destination_begin(struct send_destinations *destinations, struct send_line *line,
                            uint64_t now)
{
    struct send_destination *const destination = line->destination;
    line->in_flight++;
    destination->in_flight++;
    destinations->in_flight++;
    destinations->reports += line->kind == SEND_KIND_REPORT;
    if (destination->limits.rate) {
        uint64_t const late = now > SEND_DESTINATION_LATE ? now - SEND_DESTINATION_LATE : 0;
        uint64_t const from = destination->rate_at > late ? destination->rate_at : now;
        destination->rate_at =
            from + (UINT64_C(60000) + destination->limits.rate - 1) / destination->limits.rate;
    }
}

/* --- what becomes of them --- */

static void grow(struct send_destination *destination, unsigned int in_flight)
{
    if (in_flight < destination->window || destination->window >= SEND_DESTINATION_WIDEST)
        return;
    if (destination->steady && ++destination->successes < destination->window)
        return;
    destination->successes = 0;
    destination->window++;
}

static enum send_destination_change shrink(struct send_destination *destination, uint64_t now)
{
    destination->steady = true;
    destination->successes = 0;
    if (destination->window > 1) {
        destination->window--;
        return SEND_DESTINATION_SAME;
    }
    if (destination->window == 0 && now < destination->dead_until)
        return SEND_DESTINATION_SAME; /* it began before the others died */
    destination->window = 0;
    destination->dead_for =
        destination->dead_for ? 2 * destination->dead_for : SEND_DESTINATION_DEAD_FIRST;
    if (destination->dead_for > SEND_DESTINATION_DEAD_MAX)
        destination->dead_for = SEND_DESTINATION_DEAD_MAX;
    destination->dead_until = now + destination->dead_for;
    return SEND_DESTINATION_DIED;
}

/* Without the `4.4.1 ` that they begin with; where they are cut no UTF-8 character is left in two.
 */
static void keep_words(struct send_destination *destination, char const *words)
{
    size_t const code = strspn(words, "0123456789.");
    char const *const begin = code && words[code] == ' ' ? words + code + 1 : words;
    size_t length = strlen(begin);
    if (length >= sizeof destination->words) {
        length = sizeof destination->words - 1;
        while (length && ((unsigned char)begin[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(destination->words, begin, length);
    destination->words[length] = 0;
}

enum send_destination_change send_destination_end(struct send_destinations *destinations,
                                                  struct send_line *line,
                                                  enum send_destination_verdict verdict,
                                                  char const *words, uint64_t now)
{
    struct send_destination *const destination = line->destination;
    unsigned int const in_flight = destination->in_flight--;
    line->in_flight--;
    destinations->in_flight--;
    destinations->reports -= line->kind == SEND_KIND_REPORT;
    if (verdict == SEND_DESTINATION_UNKNOWN || destination == &destinations->shared)
        return SEND_DESTINATION_SAME;
    if (verdict == SEND_DESTINATION_UNREACHABLE) {
        destination->failed_at = now;
        keep_words(destination, words);
        return shrink(destination, now);
    }
    destination->dead_for = 0;
    if (destination->window == 0) {
        destination->window = destination->start;
        return SEND_DESTINATION_BACK;
    }
    if (verdict == SEND_DESTINATION_WORKS)
        grow(destination, in_flight);
    return SEND_DESTINATION_SAME;
}

void send_destinations_revive(struct send_destinations *destinations)
{
    for (unsigned int i = 0; i < destinations->used; i++)
        destinations->table[i].dead_until = destinations->table[i].dead_for = 0;
}
