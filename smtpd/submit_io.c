#include "smtpd/submit_io.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/packet.h"

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

int submit_request(int requests, char kind)
{
    int ends[2];
    struct iovec const letter = {.iov_base = &kind, .iov_len = 1};
    if (!packet_pair(ends)) {
        log_failure("queueing-failed", "socketpair", errno);
        return -1;
    }
    bool const sent = packet_send(requests, &letter, 1, ends + 1, 1);
    if (!sent)
        log_failure("queueing-failed", "request to the keeper", errno);
    close(ends[1]);
    if (sent)
        return ends[0];
    close(ends[0]);
    return -1;
}

void submit_close(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}
