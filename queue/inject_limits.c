#include "queue/inject_limits.h"

#include <sys/mman.h>
#include <time.h>

#include "lib/budget.h"

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

bool inject_limits_make(struct inject_limits *limits)
{
    void *const memory = mmap(NULL, INJECT_ACCOUNTS * sizeof *limits->accounts,
                              PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    limits->connections = 0;
    limits->accounts = memory;
    return memory != MAP_FAILED;
}

static uint64_t whole_again(struct inject_account const *account)
{
    uint64_t const messages = account->messages, recipients = account->recipients;
    return messages > recipients ? messages : recipients;
}

/* The account of UID; a new one takes the place of the one that has the least to remember. */
static struct inject_account *find(struct inject_limits *limits, uid_t uid)
{
    struct inject_account *free = NULL;
    for (unsigned int i = 0; i < INJECT_ACCOUNTS; i++) {
        struct inject_account *const account = limits->accounts + i;
        bool const fresh = !account->connections && !whole_again(account);
        if (account->uid == uid && !fresh)
            return account;
        if (!account->connections && (!free || whole_again(account) < whole_again(free)))
            free = account;
    }
    free->uid = uid;
    free->messages = free->recipients = 0;
    return free;
}

struct inject_account *inject_limits_enter(struct inject_limits *limits, uid_t uid, bool unlimited)
{
    unsigned int const all = INJECT_CONNECTIONS - (unlimited ? 0 : INJECT_RESERVED);
    if (limits->connections >= all)
        return NULL;
    struct inject_account *const account = find(limits, uid);
    if (!unlimited && account->connections >= INJECT_PER_USER)
        return NULL;
    account->connections++;
    limits->connections++;
    return account;
}

void inject_limits_leave(struct inject_limits *limits, struct inject_account *account)
{
    account->connections--;
    limits->connections--;
}

bool inject_limits_take(_Atomic uint64_t *budget, uint64_t per_hour, uint64_t count)
{
    uint64_t const time = now();
    uint64_t before = *budget, after;
    do {
        after = before;
        if (!budget_take(&after, time, BUDGET_HOUR, per_hour, count))
            return false;
    } while (!atomic_compare_exchange_weak(budget, &before, after));
    return true;
}
