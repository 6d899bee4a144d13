#include "queue/send_control.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/packet.h"
#include "queue/inject_peer.h"
#include "queue/send.h"
#include "queue/send_operate.h"

#define BACKLOG     64
#define WORK_A_TURN 32 /* operations, before mail has its turn */
#define WORK_BOUNCE 8  /* what one that syncs counts */

/* A bind names a path of at most 107 bytes: so from within the folder. */
static bool bind_here(int queue, int listener)
{
    struct sockaddr_un const address = {.sun_family = AF_UNIX, .sun_path = QUEUE_CONTROL_NAME};
    int const before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fchdir(queue) != 0) {
        if (before >= 0)
            close(before);
        return false;
    }
    mode_t const mask = umask(0177);
    bool const bound = bind(listener, (struct sockaddr const *)&address, sizeof address) == 0;
    int const number = errno;
    umask(mask);
    if ((before < 0 || fchdir(before) != 0) && chdir("/") != 0)
        log_failure("control-not-left", "the working folder stays the queue", errno);
    if (before >= 0)
        close(before);
    errno = number;
    return bound;
}

/* Nobody listens at a socket that is there: its scheduler held the lock that is ours now. */
static bool remove_stale(int queue)
{
    struct stat status;
    if (fstatat(queue, QUEUE_CONTROL_NAME, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(status.st_mode)) {
        errno = EEXIST;
        return false;
    }
    return unlinkat(queue, QUEUE_CONTROL_NAME, 0) == 0;
}

void send_control_start(struct send_control *control, int queue)
{
    *control = (struct send_control){.listener = -1, .own = geteuid()};
    for (unsigned int i = 0; i < SEND_CONTROL_CLIENTS; i++)
        control->clients[i].socket = -1;
    int const listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener >= 0 && remove_stale(queue) && bind_here(queue, listener) &&
        listen(listener, BACKLOG) == 0) {
        control->listener = listener;
        return;
    }
    log_failure("control-not-made",
                "the socket `control` in the queue folder: `ekiden queue` can list, and change "
                "nothing while this runs; remove what has that name, and start ekiden-send anew",
                errno);
    if (listener >= 0)
        close(listener);
}

void send_control_poll(struct send_control const *control, struct pollfd *polled)
{
    polled[0] = (struct pollfd){.fd = control->listener, .events = POLLIN};
    for (unsigned int i = 0; i < SEND_CONTROL_CLIENTS; i++) {
        struct send_control_client const *const client = control->clients + i;
        polled[1 + i] = (struct pollfd){.fd = client->socket,
                                        .events = client->waiting_length ? POLLOUT : POLLIN};
    }
}

static void end(struct send_control_client *client)
{
    close(client->socket);
    client->socket = -1;
    client->waiting_length = 0;
}

static struct send_control_client *choose_place(struct send_control *control)
{
    struct send_control_client *place = control->clients;
    for (unsigned int i = 0; i < SEND_CONTROL_CLIENTS; i++) {
        struct send_control_client *const client = control->clients + i;
        if (client->socket < 0)
            return client;
        if (client->last < place->last)
            place = client;
    }
    return place;
}

/* The file's mode keeps others away already; who is root, or our own user, is asked of the kernel
 * all the same: a queue may have been copied with other modes. */
static bool is_operator(struct send_control const *control, int socket, uid_t *who)
{
    struct log_line line;
    if (!inject_peer_uid(socket, who))
        return false;
    if (*who == 0 || *who == control->own)
        return true;
    log_begin(&line, "operator-refused");
    log_number(&line, "uid", *who);
    log_write(&line);
    return false;
}

static void accept_one(struct send_control *control)
{
    int const socket = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uid_t who;
    if (socket < 0)
        return;
    if (!is_operator(control, socket, &who)) {
        close(socket);
        return;
    }
    struct send_control_client *const client = choose_place(control);
    if (client->socket >= 0)
        end(client);
    *client = (struct send_control_client){.socket = socket, .who = who, .last = control->turn};
}

/* False when the client is gone, or says something that is no request. */
static bool flush(struct send_control_client *client)
{
    struct iovec const piece = {.iov_base = client->waiting, .iov_len = client->waiting_length};
    if (client->waiting_length && packet_offer(client->socket, &piece, 1, NULL, 0))
        client->waiting_length = 0;
    return !client->waiting_length || errno == EAGAIN || errno == ENOBUFS;
}

static bool serve_request(struct send *send, struct send_control_client *client, bool *more,
                          unsigned int *work)
{
    char packet[QUEUE_CONTROL_PACKET_MAX];
    struct queue_request request;
    struct queue_answer answer;
    ssize_t const length = packet_take(client->socket, packet, sizeof packet, NULL, NULL);
    *more = length > 0;
    if (length < 0)
        return errno == EAGAIN || errno == EINTR;
    if (length == 0 || !queue_request_parse(&request, packet, (size_t)length))
        return false;
    client->last = send->control_socket.turn;
    request.who = client->who;
    send_operate(send, &request, &answer);
    *work += request.operation == QUEUE_BOUNCE ? WORK_BOUNCE : 1;
    client->waiting_length = queue_answer_format(client->waiting, &answer);
    return flush(client);
}

/* One after the other has a request done, until nobody has one or the turn is over. */
void send_control_serve(struct send *send, struct pollfd const *polled)
{
    struct send_control *const control = &send->control_socket;
    bool more[SEND_CONTROL_CLIENTS];
    bool any = false;
    control->turn++;
    for (unsigned int i = 0; i < SEND_CONTROL_CLIENTS; i++) {
        struct send_control_client *const client = control->clients + i;
        more[i] = client->socket >= 0 && polled[1 + i].revents;
        if (more[i] && !flush(client)) {
            end(client);
            more[i] = false;
        }
        more[i] = more[i] && !client->waiting_length;
        any = any || more[i];
    }
    for (unsigned int work = 0; any && work < WORK_A_TURN;) {
        any = false;
        for (unsigned int i = 0; i < SEND_CONTROL_CLIENTS; i++) {
            if (!more[i])
                continue;
            if (!serve_request(send, control->clients + i, more + i, &work)) {
                end(control->clients + i);
                more[i] = false;
            }
            more[i] = more[i] && !control->clients[i].waiting_length;
            any = any || more[i];
        }
    }
    if (polled[0].revents)
        accept_one(control);
}
