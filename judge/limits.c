#include "judge/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/budget.h"
#include "lib/duration.h"

#define SECOND  UINT64_C(1000000)
#define PREFIX4 32 /* of who counts as one where the line does not say */
#define PREFIX6 64

static char const *const subjects[LIMITS_SUBJECTS] = {
    [LIMITS_CONNECTIONS] = "connections",
    [LIMITS_MESSAGES] = "messages",
    [LIMITS_RECIPIENTS] = "recipients",
    [LIMITS_UNKNOWN] = "unknown recipients",
};

struct asking {
    struct limits_settings const *settings;
    struct memory *memory;
    uint64_t now;
    ip46 const *client;
    enum limits_subject taken, needed;
    unsigned int longest[LIMITS_SUBJECTS]; /* of the networks that hold the client; 0: none */
    struct limit const *over, *looked_at;
    uint64_t wait; /* microseconds until the budget that is over has one again */
    uint64_t left; /* of the one that is looked at: the smallest */
};

static uint64_t period_of(struct limit const *limit)
{
    return duration_unit(limit->unit) * SECOND;
}

static bool is_ipv4(struct memory_network const *network)
{
    return network->bytes[16] >= 96 && memcmp(network->bytes, (unsigned char[10]){0}, 10) == 0 &&
           network->bytes[10] == 0xff && network->bytes[11] == 0xff;
}

static bool holds(struct network const *network, ip46 const *client)
{
    struct networks const networks = {(struct network *)network, 1, 1};
    return networks_contain(&networks, client);
}

static void find_longest(struct asking *asking)
{
    for (size_t i = 0; i < asking->settings->count; i++) {
        struct limit const *const limit = asking->settings->entries + i;
        unsigned int *const longest = asking->longest + limit->subject;
        if (limit->scope == LIMITS_NETWORK && limit->network.prefix + 1u > *longest &&
            holds(&limit->network, asking->client))
            *longest = limit->network.prefix + 1u;
    }
}

/* Is LIMIT for this client? Then *network is what counts as one. */
static bool applies(struct asking const *asking, struct limit const *limit,
                    struct memory_network *network)
{
    unsigned int const longest = asking->longest[limit->subject];
    if (limit->scope == LIMITS_NETWORK) {
        if (limit->network.prefix + 1u != longest || !limit->count ||
            !holds(&limit->network, asking->client))
            return false;
        memcpy(network->bytes, limit->network.address, sizeof limit->network.address);
        network->bytes[16] = limit->network.prefix;
        return true;
    }
    unsigned int const prefix4 = limit->scope == LIMITS_EACH4 ? limit->prefix : PREFIX4;
    unsigned int const prefix6 = limit->scope == LIMITS_EACH6 ? limit->prefix : PREFIX6;
    *network = memory_network(asking->client, prefix4, prefix6);
    return !longest &&
           (limit->scope == LIMITS_EACH || is_ipv4(network) == (limit->scope == LIMITS_EACH4));
}

static bool concerns(struct asking const *asking, struct limit const *limit)
{
    return limit->subject == asking->taken || limit->subject == asking->needed;
}

static void make_key(struct asking const *asking, struct limit const *limit,
                     struct memory_network const *network, struct store_key *key)
{
    unsigned char bytes[2 + MEMORY_NETWORK_SIZE] = {(unsigned char)limit->subject,
                                                    (unsigned char)limit->unit};
    memcpy(bytes + 2, network->bytes, MEMORY_NETWORK_SIZE);
    store_make_key(&asking->memory->recent, key, 'l', bytes, sizeof bytes);
}

/* Looks whether one is left. False: the store failed. */
static bool look(struct asking *asking, struct limit const *limit,
                 struct memory_network const *network)
{
    struct store_record record;
    struct store_key key;
    make_key(asking, limit, network, &key);
    if (!store_get(&asking->memory->recent, MEMORY_COUNTS, &key, &record))
        return false;
    uint64_t const left = budget_left(record.times[0], asking->now, period_of(limit), limit->count);
    if (!asking->looked_at || left < asking->left) {
        asking->looked_at = limit;
        asking->left = left;
    }
    uint64_t const wait =
        budget_wait(record.times[0], asking->now, period_of(limit), limit->count, 1);
    if (wait && (!asking->over || wait > asking->wait)) {
        asking->over = limit;
        asking->wait = wait;
    }
    return true;
}

static bool take(struct asking const *asking, struct limit const *limit,
                 struct memory_network const *network)
{
    struct store *const store = &asking->memory->recent;
    struct store_record record;
    struct store_key key;
    make_key(asking, limit, network, &key);
    return store_get(store, MEMORY_COUNTS, &key, &record) &&
           budget_take(&record.times[0], asking->now, period_of(limit), limit->count, 1) &&
           store_put(store, MEMORY_COUNTS, &key, &record);
}

/* All of them or none. */
static bool use_budgets(struct asking *asking)
{
    struct limits_settings const *const settings = asking->settings;
    struct store *const store = &asking->memory->recent;
    struct memory_network network;
    if (!asking->memory->usable || !store_begin(store, asking->now))
        return false;
    for (size_t i = 0; i < settings->count; i++)
        if (concerns(asking, settings->entries + i) &&
            applies(asking, settings->entries + i, &network) &&
            !look(asking, settings->entries + i, &network))
            return false;
    if (asking->over || asking->memory->read_only) {
        store_abort(store);
        return true;
    }
    for (size_t i = 0; i < settings->count; i++)
        if (settings->entries[i].subject == asking->taken &&
            applies(asking, settings->entries + i, &network) &&
            !take(asking, settings->entries + i, &network))
            return false;
    return store_commit(store);
}

/* --- what is said of it --- */

static void make(struct finding *finding, enum finding_verdict verdict, struct limit const *limit)
{
    char place[32];
    snprintf(place, sizeof place, "limits:%u", limit->line);
    finding_make(finding, verdict, "limits", place);
}

static void say_over(struct finding *finding, struct asking const *asking)
{
    struct limit const *const limit = asking->over;
    uint64_t const seconds = (asking->wait + SECOND - 1) / SECOND;
    char text[FINDING_TEXT_MAX + 1];
    snprintf(text, sizeof text,
             "Too many %s from your %s: please try again in %" PRIu64 " second%s",
             subjects[limit->subject], limit->scope == LIMITS_EACH ? "address" : "network", seconds,
             seconds == 1 ? "" : "s");
    bool const ends = asking->taken == LIMITS_CONNECTIONS || asking->taken == LIMITS_UNKNOWN;
    make(finding, FINDING_DEFER, limit);
    finding_reply(finding, ends ? 421 : 450, ends ? "4.7.0" : "4.7.1", text);
}

static void say_left(struct finding *finding, struct asking const *asking)
{
    char trail[80];
    make(finding, FINDING_NOTHING, asking->looked_at);
    snprintf(trail, sizeof trail, "%" PRIu64 " of %" PRIu64 " %s left", asking->left,
             asking->looked_at->count, subjects[asking->looked_at->subject]);
    finding_trail(finding, trail);
}

static bool any_applies(struct asking const *asking)
{
    struct memory_network network;
    for (size_t i = 0; i < asking->settings->count; i++)
        if (concerns(asking, asking->settings->entries + i) &&
            applies(asking, asking->settings->entries + i, &network))
            return true;
    return false;
}

bool limits_ask(struct finding *finding, struct limits_settings const *settings,
                struct memory *memory, uint64_t now, ip46 const *client, enum question_kind kind)
{
    struct asking asking = {.settings = settings, .memory = memory, .now = now, .client = client};
    if (!limits_settings_subjects(kind, &asking.taken, &asking.needed))
        return false;
    find_longest(&asking);
    if (!any_applies(&asking))
        return false;
    if (!use_budgets(&asking)) {
        memory->usable = false;
        finding_make(finding, FINDING_UNKNOWN, "limits", "limits");
        finding_reply(finding, 0, "",
                      "what is remembered cannot be used, see the log of ekiden-judge");
    } else if (asking.over) {
        say_over(finding, &asking);
    } else {
        say_left(finding, &asking);
    }
    return true;
}
