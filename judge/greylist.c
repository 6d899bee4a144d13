#include "judge/greylist.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/bytestr.h>

#include "judge/greylist_sender.h"

#define SECOND        UINT64_C(1000000)
#define RECIPIENT_MAX 600

/* Times of a record of one that waits, one that has passed, and a network. */
enum { WAITING_UNTIL = 0, WAITING_SINCE = 1 };
enum { PASSED_UNTIL = 0 };
enum { NETWORK_UNTIL = 0, NETWORK_PASSED = 1 /* a number */ };

struct triplet {
    struct memory_network network;
    char bytes[MEMORY_NETWORK_SIZE + GREYLIST_SENDER_MAX + 1 + RECIPIENT_MAX];
    size_t length;
};

enum outcome { FAILED, KNOWN, ALLOWED, WAITS, PASSES };

struct asking {
    struct greylist_settings const *settings;
    struct memory *memory;
    uint64_t now;
    struct triplet triplet;
    uint64_t wait;             /* microseconds that are left */
    uint64_t network_triplets; /* that have passed */
};

static void make_triplet(struct triplet *triplet, struct greylist_settings const *settings,
                         ip46 const *client, char const *sender, char const *recipient)
{
    char shown[GREYLIST_SENDER_MAX + 1];
    triplet->network = memory_network(client, (unsigned int)settings->values[GREYLIST_NETWORK4],
                                      (unsigned int)settings->values[GREYLIST_NETWORK6]);
    greylist_sender(shown, sender);
    size_t const from = strlen(shown) + 1, to = strnlen(recipient, RECIPIENT_MAX);
    memcpy(triplet->bytes, triplet->network.bytes, MEMORY_NETWORK_SIZE);
    memcpy(triplet->bytes + MEMORY_NETWORK_SIZE, shown, from);
    memcpy(triplet->bytes + MEMORY_NETWORK_SIZE + from, recipient, to);
    case_lowerb(triplet->bytes + MEMORY_NETWORK_SIZE + from, to);
    triplet->length = MEMORY_NETWORK_SIZE + from + to;
}

static uint64_t value(struct asking const *asking, enum greylist_setting setting)
{
    return asking->settings->values[setting];
}

static struct store_key key_of(struct asking const *asking, struct store const *store)
{
    struct store_key key;
    store_make_key(store, &key, 't', asking->triplet.bytes, asking->triplet.length);
    return key;
}

static struct store_key network_key_of(struct asking const *asking)
{
    struct store_key key;
    store_make_key(&asking->memory->kept, &key, 'n', asking->triplet.network.bytes,
                   MEMORY_NETWORK_SIZE);
    return key;
}

/* Prolongs what was found, at most once a day: each time would be a flush of the disk. */
static bool prolong(struct asking const *asking, enum memory_kept table,
                    struct store_key const *key, struct store_record *record, bool *changed)
{
    uint64_t const until = asking->now + value(asking, GREYLIST_TTL) * SECOND;
    if (asking->memory->read_only || record->times[0] + STORE_DAY > until)
        return true;
    record->times[0] = until;
    *changed = true;
    return store_put(&asking->memory->kept, table, key, record);
}

/* Is it among those who have earned it? */
static enum outcome ask_kept(struct asking *asking)
{
    struct store *const kept = &asking->memory->kept;
    struct store_record network, passed;
    bool changed = false;
    if (!store_begin(kept, asking->now))
        return FAILED;
    struct store_key const key = key_of(asking, kept), network_key = network_key_of(asking);
    if (!store_get(kept, MEMORY_NETWORKS, &network_key, &network) ||
        !store_get(kept, MEMORY_PASSED, &key, &passed))
        return FAILED;
    asking->network_triplets = network.times[NETWORK_PASSED];
    uint64_t const allowance = value(asking, GREYLIST_ALLOWANCE);
    bool const allowed = allowance && network.times[NETWORK_PASSED] >= allowance;
    bool const known = passed.times[PASSED_UNTIL] != 0;
    if ((allowed && !prolong(asking, MEMORY_NETWORKS, &network_key, &network, &changed)) ||
        (known && !prolong(asking, MEMORY_PASSED, &key, &passed, &changed)))
        return FAILED;
    if (!changed)
        store_abort(kept);
    else if (!store_commit(kept))
        return FAILED;
    return allowed ? ALLOWED : known ? KNOWN : WAITS;
}

/* How long does it wait already? */
static enum outcome ask_recent(struct asking *asking)
{
    struct store *const recent = &asking->memory->recent;
    uint64_t const delay = value(asking, GREYLIST_DELAY) * SECOND,
                   window = value(asking, GREYLIST_WINDOW) * SECOND, now = asking->now;
    struct store_record record;
    if (!store_begin(recent, now))
        return FAILED;
    struct store_key const key = key_of(asking, recent);
    if (!store_get(recent, MEMORY_WAITING, &key, &record))
        return FAILED;
    uint64_t const since = record.times[WAITING_SINCE];
    /* One of the future was written before the clock was set back; WINDOW may have changed. */
    bool const is_new = !record.times[WAITING_UNTIL] || since > now || now - since > window;
    asking->wait = is_new ? delay : now - since < delay ? delay - (now - since) : 0;
    if (!is_new || asking->memory->read_only) {
        store_abort(recent);
        return asking->wait ? WAITS : PASSES;
    }
    record = (struct store_record){{now + window, now, 0}};
    return store_put(recent, MEMORY_WAITING, &key, &record) && store_commit(recent) ? WAITS
                                                                                    : FAILED;
}

/* Notes that it passes. Of two that do so at once only the first counts for the network. */
static bool note_passed(struct asking *asking)
{
    struct store *const kept = &asking->memory->kept;
    uint64_t const until = asking->now + value(asking, GREYLIST_TTL) * SECOND;
    struct store_record network, passed;
    if (!store_begin(kept, asking->now))
        return false;
    struct store_key const key = key_of(asking, kept), network_key = network_key_of(asking);
    if (!store_get(kept, MEMORY_PASSED, &key, &passed) ||
        !store_get(kept, MEMORY_NETWORKS, &network_key, &network))
        return false;
    if (passed.times[PASSED_UNTIL]) {
        store_abort(kept);
        return true;
    }
    passed.times[PASSED_UNTIL] = network.times[NETWORK_UNTIL] = until;
    network.times[NETWORK_PASSED]++;
    asking->network_triplets = network.times[NETWORK_PASSED];
    return store_put(kept, MEMORY_PASSED, &key, &passed) &&
           store_put(kept, MEMORY_NETWORKS, &network_key, &network) && store_commit(kept);
}

/* Nobody waits any more who has passed. What is left where this fails goes by itself. */
static bool forget_waiting(struct asking *asking)
{
    struct store *const recent = &asking->memory->recent;
    if (!store_begin(recent, asking->now))
        return false;
    struct store_key const key = key_of(asking, recent);
    return store_remove(recent, MEMORY_WAITING, &key) && store_commit(recent);
}

static enum outcome ask(struct asking *asking)
{
    if (!asking->memory->usable)
        return FAILED;
    enum outcome outcome = ask_kept(asking);
    if (outcome == WAITS)
        outcome = ask_recent(asking);
    if (outcome == PASSES && !asking->memory->read_only &&
        (!note_passed(asking) || !forget_waiting(asking)))
        outcome = FAILED;
    if (outcome == FAILED)
        asking->memory->usable = false;
    return outcome;
}

/* --- what is said of it --- */

static void make(struct finding *finding, struct greylist_settings const *settings,
                 enum finding_verdict verdict, enum greylist_setting setting, char const *text)
{
    char place[32] = "greylist";
    if (settings->lines[setting])
        snprintf(place, sizeof place, "greylist:%u", settings->lines[setting]);
    finding_make(finding, verdict, "greylist", place);
    finding_reply(finding, 0, "", text);
}

static void say_wait(struct finding *finding, struct asking const *asking)
{
    uint64_t const seconds = (asking->wait + SECOND - 1) / SECOND;
    char text[FINDING_TEXT_MAX + 1], duration[40];
    if (seconds < 120)
        snprintf(duration, sizeof duration, "%" PRIu64 " second%s", seconds,
                 seconds == 1 ? "" : "s");
    else
        snprintf(duration, sizeof duration, "%" PRIu64 " minutes", (seconds + 59) / 60);
    make(finding, asking->settings, FINDING_DEFER, GREYLIST_DELAY, "");
    snprintf(text, sizeof text,
             "Greylisted, as mail is that comes this way for the first time: please try again in "
             "%s",
             duration);
    finding_reply(finding, 451, "4.7.1", text);
}

static void say(struct finding *finding, struct asking const *asking, enum outcome outcome)
{
    struct greylist_settings const *const settings = asking->settings;
    char trail[80];
    switch (outcome) {
    case WAITS:
        say_wait(finding, asking);
        break;
    case KNOWN:
        make(finding, settings, FINDING_NOTHING, GREYLIST_TTL, "known");
        break;
    case ALLOWED:
        make(finding, settings, FINDING_NOTHING, GREYLIST_ALLOWANCE, "network");
        break;
    case PASSES:
        make(finding, settings, FINDING_NOTHING, GREYLIST_DELAY, "passed");
        break;
    case FAILED:
    default:
        make(finding, settings, FINDING_UNKNOWN, GREYLIST_DELAY,
             "what is remembered cannot be used, see the log of ekiden-judge");
        return;
    }
    snprintf(trail, sizeof trail, "triplets of the network that passed: %" PRIu64,
             asking->network_triplets);
    finding_trail(finding, trail);
}

void greylist_ask(struct finding *finding, struct greylist_settings const *settings,
                  struct memory *memory, uint64_t now, ip46 const *client, char const *sender,
                  char const *recipient, char const *spf)
{
    struct asking asking = {.settings = settings, .memory = memory, .now = now};
    if (settings->values[GREYLIST_SPF] && !strcmp(spf, "pass")) {
        make(finding, settings, FINDING_NOTHING, GREYLIST_SPF, "spf");
        return;
    }
    make_triplet(&asking.triplet, settings, client, sender, recipient);
    say(finding, &asking, ask(&asking));
}
