#include "lib/signals.h"

#include <errno.h>
#include <signal.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>

#include "lib/log.h"

int signals_trap(int const *numbers)
{
    sigset_t set;
    sigemptyset(&set);
    for (; *numbers; numbers++)
        sigaddset(&set, *numbers);
    int const descriptor = selfpipe_init();
    if (descriptor >= 0 && selfpipe_trapset(&set))
        return descriptor;
    log_failure("not-started", "signals cannot be trapped", errno);
    return -1;
}

int signals_trap_ends(void)
{
    int const descriptor = signals_trap((int[]){SIGTERM, SIGINT, 0});
    if (descriptor >= 0) {
        sig_ignore(SIGHUP);
        sig_ignore(SIGXFSZ);
    }
    return descriptor;
}
