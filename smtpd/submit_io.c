#include "smtpd/submit_io.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/packet.h"

#define REQUEST_PAUSE_MILLISECONDS 10

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

/* The kernel counts the descriptors that all processes of a user have on their way (ETOOMANYREFS):
 * many dialogues that ask at once may have to wait for one another. */
static bool send_request(int requests, char kind, int end)
{
    struct iovec const letter = {.iov_base = &kind, .iov_len = 1};
    for (int waited = 0; waited < SUBMIT_START_MILLISECONDS; waited += REQUEST_PAUSE_MILLISECONDS) {
        if (packet_send(requests, &letter, 1, &end, 1))
            return true;
        if (errno != ETOOMANYREFS && errno != ENOBUFS && errno != ENOMEM)
            return false;
        (void)poll(NULL, 0, REQUEST_PAUSE_MILLISECONDS);
    }
    return false;
}

int submit_request(int requests, char kind)
{
    int ends[2];
    if (!packet_pair(ends)) {
        log_failure("queueing-failed", "socketpair", errno);
        return -1;
    }
    bool const sent = send_request(requests, kind, ends[1]);
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
