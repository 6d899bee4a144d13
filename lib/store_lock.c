#include "lib/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

#define TICK 50000 /* microseconds */

static void on_tick(int number)
{
    (void)number;
}

static bool set_lock(struct store const *store, unsigned int number, short type, int command)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
    return fcntl(store->lock, command, &lock) == 0;
}

bool store_lock_byte(struct store const *store, unsigned int number, bool wait)
{
    bool locked;
    do
        locked = set_lock(store, number, F_WRLCK, wait ? F_OFD_SETLKW : F_OFD_SETLK);
    while (!locked && errno == EINTR);
    return locked;
}

/* Waits by a timer that goes on ticking: a single signal could come just before the call. */
static bool lock_for(struct store const *store, short type, unsigned int milliseconds)
{
    struct sigaction const action = {.sa_handler = on_tick};
    struct itimerval const ticks = {{0, TICK}, {0, TICK}}, none = {{0, 0}, {0, 0}};
    struct sigaction before;
    bool locked = false;
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &ticks, NULL);
    for (unsigned int waited = 0; !locked && waited < milliseconds; waited += TICK / 1000) {
        locked = set_lock(store, store->form->lock, type, F_OFD_SETLKW);
        if (!locked && errno != EINTR)
            break;
    }
    int const error = errno;
    setitimer(ITIMER_REAL, &none, NULL);
    sigaction(SIGALRM, &before, NULL);
    errno = error;
    return locked;
}

bool store_lock_take(struct store const *store)
{
    short const type = store->read_only ? F_RDLCK : F_WRLCK;
    if (!store->form->patience)
        return store_lock_byte(store, store->form->lock, true);
    return set_lock(store, store->form->lock, type, F_OFD_SETLK) ||
           ((errno == EAGAIN || errno == EACCES) && lock_for(store, type, store->form->patience));
}

void store_lock_release(struct store const *store)
{
    (void)set_lock(store, store->form->lock, F_UNLCK, F_OFD_SETLK);
}
