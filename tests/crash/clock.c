/* Linked into some programs of the crash tests only (ld --wrap): the time of day is the kernel's
 * plus a number of seconds, which lies in a file that a test changes while they run.
 *
 * CLOCK_REALTIME_COARSE stays the kernel's: programs compare it with times of files, which cannot
 * be made to jump here, and would jump with it where the clock really does. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
time_t __wrap_time(time_t *now);
int __wrap_gettimeofday(struct timeval *now, void *zone);

static int64_t const *offset;

/* Before any fence is up. */
__attribute__((constructor)) static void begin(void)
{
    char const *const path = getenv("EKIDEN_TEST_CLOCK");
    int const file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *const mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED)
        offset = mapped;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int const result = __real_clock_gettime(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && offset)
        now->tv_sec += *offset;
    return result;
}

time_t __wrap_time(time_t *now)
{
    struct timespec time;
    __wrap_clock_gettime(CLOCK_REALTIME, &time);
    if (now)
        *now = time.tv_sec;
    return time.tv_sec;
}

int __wrap_gettimeofday(struct timeval *now, void *zone)
{
    struct timespec time;
    (void)zone;
    __wrap_clock_gettime(CLOCK_REALTIME, &time);
    *now = (struct timeval){.tv_sec = time.tv_sec, .tv_usec = time.tv_nsec / 1000};
    return 0;
}
