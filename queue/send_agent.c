#include "queue/send_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/error.h>

#include "lib/log.h"

static bool fail(char const *what)
{
    log_failure("agent-not-started", what, errno);
    return false;
}

static _Noreturn void die(char const *what)
{
    fail(what);
    _exit(111);
}

/* Goes to the folder of the agent's program, which lies somewhere below the caller's home perhaps:
 * the agent's user may not walk there. Returns the program's path from here. */
static char const *approach(char const *path)
{
    static char relative[PATH_MAX];
    char const *const slash = strrchr(path, '/');
    if (!slash || slash == path || slash - path >= PATH_MAX)
        return path;
    memcpy(relative, path, (size_t)(slash - path));
    relative[slash - path] = 0;
    if (chdir(relative) != 0)
        die(relative);
    if (snprintf(relative, sizeof relative, ".%s", slash) >= PATH_MAX)
        die("the path is too long");
    return relative;
}

/* In the child: becomes the agent. */
static _Noreturn void become(struct send_agent_start const *start, int socket)
{
    char number[16];
    char const *const program = approach(start->path);
    privilege_drop(start->user, NULL);
    /* After the drop, which clears it. It works only where scheduler and agent are one user (the
     * kernel asks whether the dying parent may signal the child); the end of the socket is what
     * ends an agent in all cases. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        die("PR_SET_PDEATHSIG");
    if (dup2(socket, 0) < 0)
        die("dup2");
    int const mail = fcntl(start->mail, F_DUPFD, 3); /* a copy is not close-on-exec */
    if (mail < 0)
        die("mail root");
    snprintf(number, sizeof number, "%d", mail);
    char *const arguments[] = {(char *)start->path, (char *)"-m", number, NULL};
    execve(program, arguments, environ);
    die(start->path);
}

bool send_agent_start(struct send_agent *agent, struct send_agent_start const *start)
{
    int ends[2];
    *agent = (struct send_agent){.kind = start->kind, .alive = true};
    /* The agent's end stays blocking: non-blocking is a property of each end. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return fail("socketpair");
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        return fail("O_NONBLOCK");
    agent->pid = fork();
    if (agent->pid < 0)
        return fail("fork");
    if (agent->pid == 0)
        become(start, ends[1]);
    close(ends[1]);
    unixmessage_sender_init(&agent->sender, ends[0]);
    if (!unixmessage_receiver_init(&agent->receiver, ends[0], agent->main_buffer,
                                   sizeof agent->main_buffer, agent->extra_buffer,
                                   sizeof agent->extra_buffer))
        return fail("unixmessage_receiver_init");
    unixmessage_receiver_refuse_fds(&agent->receiver);
    return true;
}

bool send_agent_put(struct send_agent *agent, struct job const *job, int descriptor)
{
    stralloc bytes = STRALLOC_ZERO;
    bool put = job_format(&bytes, job);
    if (put) {
        unixmessage const message = {.s = bytes.s, .len = bytes.len, .fds = &descriptor, .nfds = 1};
        put = unixmessage_put(&agent->sender, &message);
    }
    stralloc_free(&bytes);
    if (put)
        agent->in_flight++;
    return put;
}

bool send_agent_flush(struct send_agent *agent)
{
    if (unixmessage_sender_isempty(&agent->sender))
        return true;
    /* ETOOMANYREFS and ENOBUFS pass when the agent has read some descriptors. */
    return unixmessage_sender_flush(&agent->sender) || error_isagain(errno) ||
           errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM;
}

bool send_agent_is_behind(struct send_agent const *agent)
{
    return !unixmessage_sender_isempty(&agent->sender);
}

enum send_agent_result send_agent_receive(struct send_agent *agent, struct job_answer *answer)
{
    unixmessage message;
    int result;
    do
        result = unixmessage_receive(&agent->receiver, &message);
    while (result < 0 && errno == EINTR);
    if (result == 0 || (result < 0 && error_isagain(errno)))
        return SEND_AGENT_NONE;
    if (result < 0)
        return SEND_AGENT_GONE;
    if (message.nfds || !job_answer_parse(answer, message.s, message.len)) {
        errno = EPROTO;
        return SEND_AGENT_GONE;
    }
    return SEND_AGENT_ANSWER;
}

void send_agent_close(struct send_agent *agent)
{
    if (!agent->alive)
        return;
    agent->alive = false;
    close(unixmessage_sender_fd(&agent->sender));
}
