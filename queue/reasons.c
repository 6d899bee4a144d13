#include "queue/reasons.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "queue/queue_file.h"

/* In the file, in this machine's order. */
struct entry {
    uint64_t sum; /* of all that follows */
    uint64_t when;
    uint32_t index;
    char id[QUEUE_ID_LENGTH];
    char text[REASONS_TEXT_MAX + 1];
};
static_assert(sizeof(struct entry) == 512, "an entry never lies across two pages");

int reasons_open(int queue, bool changes)
{
    struct stat status;
    int const file = openat(queue, REASONS_FILE,
                            (changes ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK |
                                O_NOCTTY | O_CLOEXEC,
                            0600);
    if (file < 0)
        return -1;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode))
        return file;
    close(file);
    errno = EINVAL;
    return -1;
}

static uint64_t sum_of(void const *bytes, size_t length)
{
    struct checksum checksum;
    checksum_start(&checksum);
    checksum_add(&checksum, bytes, length);
    return checksum_end(&checksum);
}

static uint64_t entry_sum(struct entry const *entry)
{
    return sum_of((char const *)entry + sizeof entry->sum, sizeof *entry - sizeof entry->sum);
}

static off_t place_of(char const *id, uint32_t index)
{
    char key[QUEUE_ID_LENGTH + sizeof index];
    memcpy(key, id, QUEUE_ID_LENGTH);
    memcpy(key + QUEUE_ID_LENGTH, &index, sizeof index);
    return (off_t)(sum_of(key, sizeof key) % REASONS_ENTRIES * sizeof(struct entry));
}

void reasons_put(int file, char const *id, uint32_t index, uint64_t when, char const *text)
{
    struct entry entry = {.when = when, .index = index};
    if (file < 0)
        return;
    memcpy(entry.id, id, QUEUE_ID_LENGTH);
    memcpy(entry.text, text, strnlen(text, REASONS_TEXT_MAX));
    entry.sum = entry_sum(&entry);
    if (pwrite(file, &entry, sizeof entry, place_of(id, index)) < 0)
        return; /* the log says the reason all the same */
}

bool reasons_get(int file, char const *id, uint32_t index, struct reason *reason)
{
    struct entry entry;
    if (file < 0 ||
        pread(file, &entry, sizeof entry, place_of(id, index)) != (ssize_t)sizeof entry ||
        entry.sum != entry_sum(&entry) || entry.index != index ||
        memcmp(entry.id, id, QUEUE_ID_LENGTH) != 0 || entry.text[REASONS_TEXT_MAX])
        return false;
    reason->when = entry.when;
    memcpy(reason->text, entry.text, sizeof reason->text);
    return true;
}
