#include "smtpd/submit_io.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

bool submit_wait(int descriptor, short events, int milliseconds)
{
    struct pollfd wanted = {.fd = descriptor, .events = events};
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t const deadline = now.tv_sec + milliseconds / 1000;
    for (;;) {
        int const ready = poll(&wanted, 1, milliseconds);
        if (ready > 0)
            return true;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (ready == 0 || errno != EINTR || now.tv_sec >= deadline)
            return false;
    }
}

void submit_close(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}
