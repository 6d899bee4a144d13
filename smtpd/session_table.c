#include "smtpd/session_table.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_ACTIVE, SLOT_LEFT };

struct slot {
    _Atomic int state;
    _Atomic uint64_t address; /* 0: none */
};

struct session_table {
    size_t capacity;
    _Atomic size_t used; /* slots below it were claimed once; the others need not be looked at */
    _Atomic uint64_t taken;
    struct slot slots[];
};

static size_t size_of(size_t capacity)
{
    return sizeof(struct session_table) + capacity * sizeof(struct slot);
}

struct session_table *session_table_new(size_t capacity)
{
    size_t const size = size_of(capacity);
    struct session_table *const table =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (table == MAP_FAILED)
        return NULL;
    table->capacity = capacity;
    return table;
}

void session_table_unmap(struct session_table *table)
{
    munmap(table, size_of(table->capacity));
}

int session_table_claim(struct session_table *table)
{
    for (size_t i = 0; i < table->capacity; i++) {
        int expected = SLOT_FREE;
        if (!atomic_compare_exchange_strong(&table->slots[i].state, &expected, SLOT_WAITING))
            continue;
        size_t used = atomic_load(&table->used);
        while (used <= i && !atomic_compare_exchange_weak(&table->used, &used, i + 1))
            ;
        return (int)i;
    }
    return -1;
}

bool session_table_is_waiting(struct session_table const *table, int slot)
{
    return atomic_load(&table->slots[slot].state) == SLOT_WAITING;
}

void session_table_release(struct session_table *table, int slot)
{
    struct slot *const mine = table->slots + slot;
    atomic_store(&mine->address, 0);
    atomic_store(&mine->state, SLOT_FREE);
}

void session_table_leave(struct session_table *table, int slot)
{
    struct slot *const mine = table->slots + slot;
    atomic_store(&mine->address, 0);
    atomic_store(&mine->state, SLOT_LEFT);
}

/* Counted anew each time: a counter would stay wrong for good when a session is killed beside it.
 */
static bool is_active(struct slot const *slot)
{
    return atomic_load_explicit(&slot->state, memory_order_relaxed) == SLOT_ACTIVE;
}

/* IPv4 and the /64 of IPv6 as one number, never 0. */
static uint64_t address_number(ip46 const *ip)
{
    uint64_t number = 0;
    size_t const length = ip46_is6(ip) ? 8 : 4;
    for (size_t i = 0; i < length; i++)
        number = number << 8 | (unsigned char)ip->ip[i];
    return ip46_is6(ip) ? number + !number : number | (uint64_t)0xffff << 32;
}

enum connection_refusal session_table_enter(struct session_table *table, int slot, ip46 const *ip,
                                            bool has_ip, uint64_t total, uint64_t per_address)
{
    uint64_t const address = has_ip ? address_number(ip) : 0;
    atomic_store(&table->slots[slot].address, address);
    atomic_store(&table->slots[slot].state, SLOT_ACTIVE);
    atomic_fetch_add(&table->taken, 1);
    uint64_t active = 0, same = 0;
    for (size_t i = 0, used = atomic_load(&table->used); i < used; i++) {
        struct slot const *const other = table->slots + i;
        active += is_active(other);
        same += atomic_load_explicit(&other->address, memory_order_relaxed) == address;
    }
    if (active > total)
        return CONNECTION_TOO_MANY;
    return has_ip && same > per_address ? CONNECTION_TOO_MANY_FROM_HERE : CONNECTION_WELCOME;
}

size_t session_table_active(struct session_table const *table)
{
    size_t active = 0;
    for (size_t i = 0, used = atomic_load(&table->used); i < used; i++)
        active += is_active(table->slots + i);
    return active;
}

uint64_t session_table_taken(struct session_table const *table)
{
    return atomic_load(&table->taken);
}
