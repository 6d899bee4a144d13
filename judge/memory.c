#include "judge/memory.h"

#include <string.h>
#include <time.h>

/* A transaction takes a tenth of a millisecond, or a flush of the disk: who waits for so long waits
 * for a machine that does not work, and a client is better let in than left to wait. */
#define PATIENCE 2000 /* milliseconds */

static struct store_table const kept_tables[MEMORY_KEPT_TABLES] = {
    [MEMORY_PASSED] = {"passed", MEMORY_TTL_MAX, MEMORY_TRIPLETS},
    [MEMORY_NETWORKS] = {"networks", MEMORY_TTL_MAX, MEMORY_NETWORK_MAX},
};
static struct store_table const recent_tables[MEMORY_RECENT_TABLES] = {
    [MEMORY_WAITING] = {"waiting", MEMORY_WINDOW_MAX, MEMORY_TRIPLETS},
    [MEMORY_COUNTS] = {"counts", STORE_DAY, MEMORY_COUNTS_MAX},
};

static struct store_form const kept_form = {
    .file = "kept",
    .lock = 0,
    .space = 512u << 20,
    .patience = PATIENCE,
    .table_count = MEMORY_KEPT_TABLES,
    .tables = kept_tables,
};
static struct store_form const recent_form = {
    .file = "recent",
    .lock = 1,
    .space = 768u << 20,
    .patience = PATIENCE,
    .until_boot = true,
    .table_count = MEMORY_RECENT_TABLES,
    .tables = recent_tables,
};

void memory_open(struct memory *memory, int directory, bool read_only)
{
    memory->read_only = read_only;
    if (directory < 0 && read_only) {
        memory->usable = true;
        memory->kept = (struct store){.form = &kept_form, .lock = -1, .read_only = true};
        memory->recent = (struct store){.form = &recent_form, .lock = -1, .read_only = true};
        return;
    }
    memory->usable = directory >= 0 &&
                     store_open(&memory->kept, directory, &kept_form, read_only) &&
                     store_open(&memory->recent, directory, &recent_form, read_only);
}

void memory_close(struct memory *memory)
{
    if (!memory->usable)
        return;
    store_close(&memory->kept);
    store_close(&memory->recent);
    memory->usable = false;
}

uint64_t memory_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

struct memory_network memory_network(ip46 const *client, unsigned int prefix4, unsigned int prefix6)
{
    static unsigned char const mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct memory_network network = {{0}};
    unsigned char *const address = network.bytes;
    if (ip46_is6(client)) {
        memcpy(address, client->ip, 16);
    } else {
        memcpy(address, mapped, sizeof mapped);
        memcpy(address + sizeof mapped, client->ip, 4);
    }
    unsigned int const prefix = memcmp(address, mapped, sizeof mapped) ? prefix6 : 96 + prefix4;
    for (unsigned int i = 0; i < 16; i++) {
        if (i * 8 >= prefix)
            address[i] = 0;
        else if (prefix - i * 8 < 8)
            address[i] = (unsigned char)(address[i] & (0xffu << (8 - (prefix - i * 8))));
    }
    address[16] = (unsigned char)prefix;
    return network;
}
