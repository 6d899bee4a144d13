#include "queue/queue_count.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int queue_count_open(int queue, bool changes)
{
    struct stat status;
    int const descriptor =
        openat(queue, QUEUE_COUNT_FILE,
               (changes ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (descriptor < 0)
        return -1;
    /* Behind the end of a shorter file there is no memory, only SIGBUS. */
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size >= (off_t)sizeof(struct queue_count))
        return descriptor;
    close(descriptor);
    errno = EINVAL;
    return -1;
}

struct queue_count *queue_count_map(int descriptor, bool changes)
{
    void *const memory =
        mmap(NULL, sizeof(struct queue_count), changes ? PROT_READ | PROT_WRITE : PROT_READ,
             MAP_SHARED, descriptor, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

struct queue_count *queue_count_use(int queue)
{
    int const descriptor = queue_count_open(queue, true);
    if (descriptor < 0)
        return NULL;
    struct queue_count *const count = queue_count_map(descriptor, true);
    close(descriptor);
    return count;
}

void queue_count_unmap(struct queue_count const *count)
{
    if (count)
        munmap((void *)count, sizeof *count);
}

void queue_count_add(struct queue_count *count, int64_t change)
{
    if (count)
        atomic_fetch_add_explicit(&count->messages, change, memory_order_relaxed);
}

uint64_t queue_count_messages(struct queue_count const *count)
{
    int64_t const messages =
        count ? atomic_load_explicit(&count->messages, memory_order_relaxed) : 0;
    return messages > 0 ? (uint64_t)messages : 0;
}
