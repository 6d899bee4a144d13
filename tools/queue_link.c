#include "tools/queue_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/packet.h"
#include "queue/wake.h"

#define AWAITED_MAX        64  /* what fits into a socket's buffers, whoever reads late */
#define ANSWER_SECONDS     120 /* for an answer: reports sync, and disks are slow */
#define START_SECONDS      10  /* for a scheduler that has the lock and no socket yet */
#define PAUSE_MILLISECONDS 20

static bool fail(struct queue_link *link, char const *why, int number)
{
    link->why = why;
    errno = number;
    return false;
}

/* The very socket of the queue, opened so that no link leads elsewhere: this may be root. -1:
 * errno. */
static int open_address(struct queue_link const *link, struct sockaddr_un *address)
{
    struct stat status;
    int const file = openat(link->hands.queue, QUEUE_CONTROL_NAME, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (file < 0)
        return -1;
    snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d", file);
    if (fstat(file, &status) == 0 && S_ISSOCK(status.st_mode))
        return file;
    close(file);
    errno = ENOTSOCK;
    return -1;
}

/* False: errno; ENOENT and ECONNREFUSED say that nobody is there. */
static bool connect_scheduler(struct queue_link *link)
{
    struct sockaddr_un address;
    struct timeval const deadline = {.tv_sec = ANSWER_SECONDS};
    int const file = open_address(link, &address);
    int const descriptor = file < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    bool const connected =
        descriptor >= 0 &&
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) == 0 &&
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline) == 0 &&
        connect(descriptor, (struct sockaddr const *)&address, sizeof address) == 0;
    int const number = errno;
    if (file >= 0)
        close(file);
    if (connected)
        link->socket = descriptor;
    else if (descriptor >= 0)
        close(descriptor);
    errno = number;
    return connected;
}

void queue_link_start(struct queue_link *link, int queue, queue_link_answer_func *answer,
                      void *context)
{
    *link = (struct queue_link){
        .hands = {.queue = queue, .wake = -1}, .socket = -1, .answer = answer, .context = context};
    (void)connect_scheduler(link);
}

/* The lock, when it is free. -1: errno, EWOULDBLOCK where a scheduler has it. */
static int take_lock(struct queue_link const *link)
{
    int const lock = openat(link->hands.queue, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) == 0)
        return lock;
    int const number = errno;
    close(lock);
    errno = number;
    return -1;
}

/* Either a connection (*lock is -1 then) or the lock: a scheduler that starts has the lock first
 * and its socket a moment later. */
static bool find_way(struct queue_link *link, int *lock)
{
    struct timespec const pause = {.tv_nsec = PAUSE_MILLISECONDS * 1000000L};
    *lock = -1;
    for (unsigned int waited = 0; waited < START_SECONDS * 1000; waited += PAUSE_MILLISECONDS) {
        if (link->socket >= 0 || connect_scheduler(link))
            return true;
        if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN)
            return fail(link, "the scheduler's socket `control`", errno);
        *lock = take_lock(link);
        if (*lock >= 0)
            return true;
        if (errno != EWOULDBLOCK)
            return fail(link, "the queue's lock", errno);
        nanosleep(&pause, NULL);
    }
    return fail(link, "ekiden-send has the queue, and does not listen at the socket `control`", 0);
}

static bool operate(struct queue_link *link, struct queue_request const *request, int lock)
{
    struct queue_answer answer;
    if (link->hands.wake < 0)
        link->hands.wake = wake_open(link->hands.queue);
    if (!link->hands.count)
        link->hands.count = queue_count_use(link->hands.queue);
    queue_operate(&link->hands, request, &answer);
    close(lock);
    queue_operate_log(request, &answer);
    link->answer(link->context, &answer);
    return true;
}

static bool receive(struct queue_link *link)
{
    char packet[QUEUE_CONTROL_PACKET_MAX];
    struct queue_answer answer;
    ssize_t length;
    do
        length = packet_receive(link->socket, packet, sizeof packet, NULL, NULL);
    while (length < 0 && errno == EINTR);
    if (length < 0 && errno == EAGAIN)
        return fail(link, "ekiden-send does not answer", 0);
    if (length <= 0)
        return fail(link, "ekiden-send has ended; ask again for what is not done", 0);
    if (!queue_answer_parse(&answer, packet, (size_t)length))
        return fail(link, "ekiden-send is of another version", 0);
    link->awaited--;
    link->answer(link->context, &answer);
    return true;
}

bool queue_link_ask(struct queue_link *link, struct queue_request const *request)
{
    char packet[QUEUE_CONTROL_PACKET_MAX];
    int lock;
    if (!find_way(link, &lock))
        return false;
    if (lock >= 0)
        return operate(link, request, lock);
    if (link->awaited >= AWAITED_MAX && !receive(link))
        return false;
    struct iovec const piece = {.iov_base = packet,
                                .iov_len = queue_request_format(packet, request)};
    if (!packet_send(link->socket, &piece, 1, NULL, 0))
        return fail(link, "ekiden-send has ended; ask again for what is not done", 0);
    link->awaited++;
    return true;
}

bool queue_link_end(struct queue_link *link)
{
    while (link->awaited)
        if (!receive(link))
            return false;
    if (link->socket >= 0)
        close(link->socket);
    if (link->hands.wake >= 0)
        close(link->hands.wake);
    link->socket = link->hands.wake = -1;
    return true;
}
