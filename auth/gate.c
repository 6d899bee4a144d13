#include "auth/gate.h"

#include <arpa/inet.h>
#include <string.h>

#define SECOND       UINT64_C(1000000)
#define MINUTE       (60 * SECOND)
#define REFUSED_FOR  (15 * MINUTE)
#define KNOWN_FOR    (30 * STORE_DAY)
#define PAIR_SPACING SECOND
#define DOUBLINGS    10 /* of the first delay, a second */

/* Whose failures are counted. All is in terms of `authfailures`: an address that ten people share
 * is not refused for the slips of one, and a user not because of a single stranger. */
enum counter { ADDRESS, USER, PAIR };
static struct rule {
    enum remembered_table table;
    uint64_t runs_off;      /* a failure, after this long */
    unsigned int limit;     /* refused from this many times authfailures on */
    unsigned int delay_per; /* delayed from limit / delay_per on */
    char kind;              /* in keys */
    char const *name;
} const rules[] = {
    [ADDRESS] = {REMEMBERED_ADDRESSES, 2 * MINUTE, 1, 4, 'a', "address"},
    [USER] = {REMEMBERED_USERS, MINUTE, 2, 2, 'u', "user"},
    [PAIR] = {REMEMBERED_PAIRS, MINUTE, 1, 1, 'p', "user-at-address"},
};

/* The times of a record. */
enum { DEBT, REFUSED_UNTIL, KNOWN_UNTIL };
enum { NEXT = REFUSED_UNTIL }; /* of a pair: when the next one is let through */

static bool read_address(struct gate *gate, char const *text)
{
    static unsigned char const embeds4[12] = {[10] = 0xff, [11] = 0xff};
    unsigned char bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1) {
        gate->address_length = 4;
        memcpy(gate->address, bytes, 4);
    } else if (inet_pton(AF_INET6, text, bytes) == 1) {
        bool const is4 = !memcmp(bytes, embeds4, sizeof embeds4);
        gate->address_length = is4 ? 4 : 8;
        memcpy(gate->address, is4 ? bytes + 12 : bytes, gate->address_length);
    }
    return gate->address_length > 0;
}

void gate_start(struct gate *gate, struct store *store, uint64_t failures, uint64_t seconds,
                char const *text, char const *user)
{
    char without_zone[INET6_ADDRSTRLEN];
    *gate = (struct gate){
        .store = store, .failures = failures, .delay = (unsigned int)seconds * 1000, .user = user};
    size_t const length = text ? strcspn(text, "%") : 0;
    if (length == 0 || length >= sizeof without_zone)
        return;
    memcpy(without_zone, text, length);
    without_zone[length] = 0;
    (void)read_address(gate, without_zone);
}

static void make_key(struct gate const *gate, enum counter counter, struct store_key *key)
{
    char bytes[sizeof gate->address + 512];
    size_t length = 0;
    if (counter != USER) {
        memcpy(bytes, gate->address, gate->address_length);
        length = gate->address_length;
    }
    if (counter != ADDRESS) {
        size_t const user = strnlen(gate->user, sizeof bytes - length);
        memcpy(bytes + length, gate->user, user);
        length += user;
    }
    store_make_key(gate->store, key, rules[counter].kind, bytes, length);
}

static bool get(struct gate const *gate, enum counter counter, struct store_record *record)
{
    struct store_key key;
    make_key(gate, counter, &key);
    return store_get(gate->store, rules[counter].table, &key, record);
}

static bool put(struct gate const *gate, enum counter counter, struct store_record const *record)
{
    struct store_key key;
    make_key(gate, counter, &key);
    return store_put(gate->store, rules[counter].table, &key, record);
}

/* How many failures have not run off, rounded up. */
static uint64_t level(struct rule const *rule, struct store_record const *record, uint64_t now)
{
    uint64_t const debt = record->times[DEBT];
    return debt > now ? (debt - now + rule->runs_off - 1) / rule->runs_off : 0;
}

static void add(struct rule const *rule, struct store_record *record, uint64_t now)
{
    uint64_t const debt = record->times[DEBT];
    record->times[DEBT] = (debt > now ? debt : now) + rule->runs_off;
}

static void take_back(struct rule const *rule, struct store_record *record, uint64_t now)
{
    uint64_t const debt = record->times[DEBT];
    record->times[DEBT] = debt > now + rule->runs_off ? debt - rule->runs_off : 0;
}

static unsigned int milliseconds(uint64_t time)
{
    return (unsigned int)(time / 1000);
}

/* A try of a known pair. The line that forms is bounded: it ends where no delay is longer, so that
 * a flood from within keeps the user out no longer than it lasts. */
static enum gate_verdict enter_pair(struct gate *gate, struct store_record *pair, uint64_t now,
                                    bool last, unsigned int *delay)
{
    struct rule const *const rule = &rules[PAIR];
    uint64_t const longest = gate->delay * UINT64_C(1000);
    *delay = 0;
    if (level(rule, pair, now) < gate->failures) {
        add(rule, pair, now);
    } else {
        uint64_t const end = pair->times[NEXT];
        uint64_t const next = (end > now && end <= now + longest ? end : now) + PAIR_SPACING;
        if (next > now + longest) {
            store_abort(gate->store);
            gate->limited = rule->name;
            *delay = gate->delay;
            return last ? GATE_REFUSED : GATE_AGAIN;
        }
        *delay = milliseconds(next - now);
        pair->times[NEXT] = next;
    }
    return put(gate, PAIR, pair) && store_commit(gate->store) ? GATE_PASS : GATE_FAILED;
}

/* What COUNTER says of a try that is the next one. */
static enum gate_verdict judge(struct gate const *gate, enum counter counter,
                               struct store_record const *record, uint64_t now, unsigned int *delay)
{
    struct rule const *const rule = &rules[counter];
    uint64_t const until = record->times[REFUSED_UNTIL];
    uint64_t const limit = rule->limit * gate->failures, free = limit / rule->delay_per;
    uint64_t const failures = level(rule, record, now);
    unsigned int wait = 0;
    /* Further ahead only when the clock was set back. */
    if (until > now && until <= now + REFUSED_FOR) {
        *delay = milliseconds(until - now);
        return GATE_REFUSED;
    }
    if (failures >= limit) {
        *delay = gate->delay;
        return GATE_AGAIN;
    }
    if (failures >= free)
        wait = failures - free > DOUBLINGS ? gate->delay : 1000u << (failures - free);
    if (wait > gate->delay)
        wait = gate->delay;
    if (wait > *delay)
        *delay = wait;
    return GATE_PASS;
}

/* Over the limit for good: for a while without a look at it. */
static enum gate_verdict refuse(struct gate *gate, enum counter counter,
                                struct store_record *record, uint64_t now, unsigned int *delay)
{
    record->times[REFUSED_UNTIL] = now + REFUSED_FOR;
    *delay = milliseconds(REFUSED_FOR);
    return put(gate, counter, record) && store_commit(gate->store) ? GATE_REFUSED : GATE_FAILED;
}

enum gate_verdict gate_enter(struct gate *gate, uint64_t now, bool last, unsigned int *delay)
{
    struct store_record records[PAIR + 1];
    enum counter const first = gate->address_length ? ADDRESS : USER;
    *delay = 0;
    if (!gate->failures)
        return GATE_PASS;
    if (!store_begin(gate->store, now))
        return GATE_FAILED;
    if (gate->address_length) {
        if (!get(gate, PAIR, &records[PAIR]))
            return GATE_FAILED;
        gate->is_known = records[PAIR].times[KNOWN_UNTIL] > now;
        if (gate->is_known)
            return enter_pair(gate, &records[PAIR], now, last, delay);
    }
    for (enum counter i = first; i <= USER; i++) {
        if (!get(gate, i, &records[i]))
            return GATE_FAILED;
        enum gate_verdict const verdict = judge(gate, i, &records[i], now, delay);
        gate->limited = rules[i].name;
        if (verdict == GATE_AGAIN && last)
            return refuse(gate, i, &records[i], now, delay);
        if (verdict != GATE_PASS) {
            store_abort(gate->store);
            return verdict;
        }
    }
    for (enum counter i = first; i <= USER; i++) {
        add(&rules[i], &records[i], now);
        if (!put(gate, i, &records[i]))
            return GATE_FAILED;
    }
    return store_commit(gate->store) ? GATE_PASS : GATE_FAILED;
}

bool gate_leave(struct gate *gate, uint64_t now, enum gate_outcome outcome)
{
    if (!gate->failures)
        return true;
    if (!store_begin(gate->store, now))
        return false;
    enum counter const first = gate->is_known ? PAIR : gate->address_length ? ADDRESS : USER;
    enum counter const end = gate->is_known ? PAIR : USER;
    for (enum counter i = first; i <= end; i++) {
        struct store_record record;
        if (!get(gate, i, &record))
            return false;
        take_back(&rules[i], &record, now);
        if (i == PAIR && outcome == GATE_RIGHT)
            record.times[KNOWN_UNTIL] = now + KNOWN_FOR;
        if (!put(gate, i, &record))
            return false;
    }
    if (gate->address_length && !gate->is_known && outcome == GATE_RIGHT) {
        struct store_record const record = {.times = {[KNOWN_UNTIL] = now + KNOWN_FOR}};
        if (!put(gate, PAIR, &record))
            return false;
    }
    return store_commit(gate->store);
}
