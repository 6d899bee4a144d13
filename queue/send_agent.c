#include "queue/send_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/error.h>

#include "lib/log.h"
#include "lib/packet.h"
#include "lib/program_path.h"
#include "lib/sender.h"

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

/* What the agent finds open: the socket as fd 0, what it inherits, and the log. All else is
 * close-on-exec. Copies first, in case that one lies where another belongs. */
static void place_descriptors(int socket, struct send_agent_start const *start)
{
    int const control = fcntl(start->control, F_DUPFD_CLOEXEC, SEND_AGENT_CONTROL + 1);
    if (control < 0 || dup2(socket, 0) < 0)
        die("the descriptors to inherit");
    if (start->inherited == SEND_AGENT_DESCRIPTOR
            ? fcntl(start->inherited, F_SETFD, 0) != 0
            : start->inherited >= 0 && dup2(start->inherited, SEND_AGENT_DESCRIPTOR) < 0)
        die("the descriptors to inherit");
    if (dup2(control, SEND_AGENT_CONTROL) < 0)
        die("the descriptors to inherit");
}

/* In the child: becomes the agent. */
static _Noreturn void become(struct send_agent_start const *start, int socket)
{
    char const *const program = program_approach(start->path);
    if (!program)
        die(start->path);
    if (start->user)
        privilege_drop(start->user, NULL);
    else
        privilege_keep_changing_users();
    /* After the drop, which clears it. It works only where scheduler and agent are one user (the
     * kernel asks whether the dying parent may signal the child); the end of the socket is what
     * ends an agent in all cases. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        die("PR_SET_PDEATHSIG");
    place_descriptors(socket, start);
    execve(program, (char *const *)start->arguments, environ);
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

unsigned int send_agent_least_loaded(struct send_agent const *agents, unsigned int count,
                                     enum send_agent_kind kind)
{
    unsigned int best = count;
    for (unsigned int i = 0; i < count; i++)
        if (agents[i].alive && agents[i].kind == kind &&
            (best == count || agents[i].in_flight < agents[best].in_flight))
            best = i;
    return best;
}

unsigned int send_agent_in_flight(struct send_agent const *agents, unsigned int count,
                                  enum send_agent_kind kind)
{
    unsigned int sum = 0;
    for (unsigned int i = 0; i < count; i++)
        if (agents[i].kind == kind)
            sum += agents[i].in_flight;
    return sum;
}

bool send_agent_put(struct send_agent *agent, stralloc const *bytes, unsigned int answers,
                    int const *descriptors, unsigned int descriptor_count)
{
    static unsigned char const all_but_first = 0xfe;
    int passed[SEND_AGENT_DESCRIPTORS_MAX];
    memcpy(passed, descriptors, descriptor_count * sizeof *passed);
    unixmessage const message = {
        .s = bytes->s, .len = bytes->len, .fds = passed, .nfds = descriptor_count};
    if (unixmessage_put_and_close(&agent->sender, &message, &all_but_first)) {
        agent->in_flight += answers;
        return true;
    }
    for (unsigned int i = 1; i < descriptor_count; i++)
        close(passed[i]);
    return false;
}

bool send_agent_flush(struct send_agent *agent)
{
    if (unixmessage_sender_isempty(&agent->sender))
        return true;
    return sender_flush(&agent->sender) || error_isagain(errno) || packet_is_crowded(errno);
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
