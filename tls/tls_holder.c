#include "tls/tls_holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

#include "configured.h"
#include "lib/log.h"
#include "lib/privilege.h"
#include "lib/program_path.h"
#include "tls/tls_service.h"

/* What it has open. */
enum { REQUESTS, OUTPUT, LOG, CONTROL, DESCRIPTORS };

static _Noreturn void die(char const *what)
{
    log_failure("tls-not-started", what, errno);
    _exit(111);
}

/* Copies first, in case that one lies where the other belongs. Its output, which nobody is to wait
 * for the end of, is the log. */
static void keep_descriptors(struct tls_service *service, struct control *control)
{
    int const requests = fcntl(service->reads, F_DUPFD_CLOEXEC, DESCRIPTORS);
    int const directory = fcntl(control->directory, F_DUPFD_CLOEXEC, DESCRIPTORS);
    if (requests < 0 || directory < 0 || dup3(requests, REQUESTS, 0) < 0 || dup2(LOG, OUTPUT) < 0 ||
        dup3(directory, CONTROL, O_CLOEXEC) < 0)
        die("descriptors");
    closefrom(DESCRIPTORS);
    service->reads = REQUESTS;
    control->directory = CONTROL;
}

static void await_end(struct tls_service *service)
{
    struct log_line line;
    int status;
    pid_t const pid = waitpid(service->pid, &status, 0);
    if (pid < 0 && errno == EINTR)
        return;
    tls_service_ended(service, service->pid);
    if (pid < 0 || status == 0)
        return;
    log_begin(&line, "tls-ended");
    log_number(&line, "pid", (uint64_t)pid);
    log_status(&line, status);
    log_write(&line);
}

static _Noreturn void hold(struct tls_service *service, struct control const *control)
{
    while (service->reads >= 0) {
        struct pollfd polled = tls_service_poll(service);
        if (service->pid)
            await_end(service);
        else if (poll(&polled, 1, -1) > 0)
            tls_service_check(service, control);
    }
    _exit(0);
}

static bool is_there(char const *path)
{
    struct log_line line;
    if (access(path, X_OK) == 0)
        return true;
    int const number = errno;
    log_begin(&line, "tls-not-installed");
    log_text(&line, "what", "mail goes out without TLS, and where TLS is required it waits");
    log_text(&line, "name", path);
    log_errno(&line, number);
    log_write(&line);
    return false;
}

enum tls_holder_result tls_holder_start(struct tls_holder *holder, char const *path,
                                        struct control const *control)
{
    struct privilege_user user;
    struct tls_service service;
    if (!is_there(path))
        return TLS_HOLDER_ABSENT;
    if (!privilege_find(&user, CONFIGURED_USER_TLS))
        return TLS_HOLDER_FAILED;
    if (!tls_service_open(&service, TLS_CLIENT)) {
        log_failure("tls-not-started", "the socket for requests", errno);
        return TLS_HOLDER_FAILED;
    }
    holder->pid = fork();
    if (holder->pid == 0) {
        struct control own = *control;
        prctl(PR_SET_NAME, "tls-holder", 0, 0, 0); /* it looked like the scheduler */
        service.program = program_approach(path);
        if (!service.program)
            die(path);
        keep_descriptors(&service, &own);
        privilege_drop(&user, NULL);
        hold(&service, &own);
    }
    int const number = errno;
    close(service.reads);
    holder->requests = service.requests;
    if (holder->pid > 0)
        return TLS_HOLDER_STARTED;
    close(holder->requests);
    log_failure("tls-not-started", "fork", number);
    return TLS_HOLDER_FAILED;
}
