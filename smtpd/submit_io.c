#include "smtpd/submit_io.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "lib/clock.h"

bool submit_wait(int descriptor, short events, int milliseconds)
{
    struct pollfd wanted = {.fd = descriptor, .events = events};
    int64_t const deadline = clock_milliseconds() + milliseconds;
    for (;;) {
        int const ready = poll(&wanted, 1, milliseconds);
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR || clock_milliseconds() >= deadline)
            return false;
    }
}

void submit_close(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}
