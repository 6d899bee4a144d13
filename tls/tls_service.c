#include "tls/tls_service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/stralloc.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/program_path.h"

#define PROGRAM            "ekiden-tls"
#define CONTROL_DESCRIPTOR 3
#define CONTROL_TEXT       "3:" /* it may have no way to the folder's path */
#define RESTART_SECONDS    1
#define EXIT_TEMPORARY     111

extern char **environ;

bool tls_service_open(struct tls_service *service, enum tls_role role)
{
    int ends[2];
    if (!packet_pair(ends))
        return false;
    *service = (struct tls_service){.role = role,
                                    .requests = ends[1],
                                    .reads = ends[0],
                                    .started = clock_seconds() - RESTART_SECONDS - 1};
    return true;
}

void tls_service_close(struct tls_service *service)
{
    close(service->requests);
    service->requests = -1;
}

struct pollfd tls_service_poll(struct tls_service const *service)
{
    return (struct pollfd){.fd = service->pid ? -1 : service->reads, .events = POLLIN};
}

_Noreturn static void fail(char const *what)
{
    log_failure("tls-not-started", what, errno);
    _exit(EXIT_TEMPORARY);
}

/* In the child. Everything else that is open is close-on-exec. It does not end with its starter,
 * but with the last who could ask: sessions that are under way keep what they have. */
_Noreturn static void run(struct tls_service const *service, struct control const *control)
{
    stralloc path = STRALLOC_ZERO, folder = STRALLOC_ZERO;
    sigset_t none;
    if (!(service->program ? stralloc_copys(&path, service->program) && stralloc_0(&path)
                           : program_path(&path, PROGRAM)) ||
        !stralloc_copys(&folder, CONTROL_TEXT) || !stralloc_cats(&folder, control->path) ||
        !stralloc_0(&folder))
        fail(PROGRAM);
    char const *const arguments[] = {PROGRAM, service->role == TLS_SERVER ? "-s" : "-c", "-C",
                                     folder.s, NULL};
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    /* A copy first, in case that one lies where the other belongs. */
    int const directory = fcntl(control->directory, F_DUPFD_CLOEXEC, CONTROL_DESCRIPTOR + 1);
    if (directory < 0 || dup2(service->reads, 0) < 0 || dup2(directory, CONTROL_DESCRIPTOR) < 0)
        fail("the descriptors to inherit");
    execve(path.s, (char *const *)arguments, environ);
    fail(path.s);
}

/* Takes one request, unless a template that is about to end was faster, and says no. */
static void refuse(struct tls_service const *service)
{
    static struct tls_answer const answer = {.kind = TLS_FAILED,
                                             .reason = "the TLS service has just ended"};
    char bytes[TLS_REQUEST_MAX];
    int descriptors[TLS_REQUEST_DESCRIPTORS];
    unsigned int count = TLS_REQUEST_DESCRIPTORS;
    ssize_t const length = packet_take(service->reads, bytes, sizeof bytes, descriptors, &count);
    if (length < 0)
        return;
    if (count == TLS_REQUEST_DESCRIPTORS) {
        struct iovec const piece = {.iov_base = bytes,
                                    .iov_len = tls_answer_format(bytes, &answer)};
        (void)packet_offer(descriptors[TLS_REQUEST_DESCRIPTORS - 1], &piece, 1, NULL, 0);
    }
    while (count)
        close(descriptors[--count]);
}

/* True when nobody can ask any more, and all who did were heard. */
static bool is_over(struct tls_service const *service)
{
    char byte;
    struct pollfd polled = {.fd = service->reads, .events = POLLRDHUP};
    return poll(&polled, 1, 0) > 0 && recv(service->reads, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void tls_service_check(struct tls_service *service, struct control const *control)
{
    if (is_over(service)) {
        close(service->reads);
        service->reads = -1;
        return;
    }
    if (clock_seconds() - service->started <= RESTART_SECONDS) {
        refuse(service);
        return;
    }
    service->started = clock_seconds();
    pid_t const pid = fork();
    if (pid < 0)
        log_failure("tls-not-started", "fork", errno);
    if (pid == 0)
        run(service, control);
    if (pid > 0)
        service->pid = pid;
}

bool tls_service_ended(struct tls_service *service, pid_t pid)
{
    if (!service->pid || pid != service->pid)
        return false;
    service->pid = 0;
    return true;
}
