#include "deliver/dotqmail_agent.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <skalibs/selfpipe.h>

#include "deliver/agent_link.h"
#include "lib/log.h"
#include "lib/signals.h"

struct agent {
    struct dotqmail *dotqmail;
    int home_error;
    bool ending;
    int exit_code;
    struct agent_link link;
    struct dotqmail_report report;
};

static void log_delivery(struct job const *job, struct dotqmail const *dotqmail,
                         struct failure const *failure)
{
    struct log_line line;
    bool const delivered = job_is_delivered(failure->result);
    log_begin(&line, delivered                         ? "delivered"
                     : failure->result == JOB_DEFERRED ? "delivery-deferred"
                     : failure->result == JOB_FAILED   ? "delivery-failed"
                                                       : "delivery-corrupt");
    log_number(&line, "job", job->number);
    log_text(&line, "recipient", job->recipient);
    log_text(&line, "user", dotqmail->user);
    log_text(&line, delivered ? "did" : "reason", failure->text);
    log_write(&line);
}

/* Splits the recipient's address and delivers. LOCAL and HOST are what the sender wrote; which
 * .qmail file counts is said by the extension, which routing has found. */
static void deliver(struct agent *agent, struct job const *job, int message)
{
    char local[JOB_ADDRESS_MAX + 1];
    char const *const at = strrchr(job->recipient, '@');
    size_t const length = at ? (size_t)(at - job->recipient) : strlen(job->recipient);
    memcpy(local, job->recipient, length);
    local[length] = 0;
    struct dotqmail_address const address = {.local = local,
                                             .dash = *job->extension ? "-" : "",
                                             .extension = job->extension,
                                             .host = at ? at + 1 : ""};
    dotqmail_deliver(agent->dotqmail, job, &address, message, &agent->report);
}

/* True when JOB can be tried; else FAILURE says why not. */
static bool is_deliverable(struct agent const *agent, struct job const *job, bool parsed,
                           int message, struct failure *failure)
{
    if (!parsed || job->kind != JOB_SYSTEM)
        failure_set(failure, JOB_DEFERRED, "4.3.5 the delivery job is malformed");
    else if (message < 0)
        failure_set(failure, JOB_DEFERRED, "4.3.5 the delivery job came without its file");
    else if (agent->home_error)
        failure_system(failure, "the home folder cannot be entered", agent->dotqmail->home,
                       agent->home_error);
    else
        return true;
    return false;
}

static void fail(struct agent *agent, int exit_code)
{
    agent->ending = true;
    agent->exit_code = exit_code;
}

/* Delivers and answers one job. */
static void serve_job(struct agent *agent, unixmessage const *message)
{
    struct job job;
    int const descriptor = message->nfds == 1 ? message->fds[0] : -1;
    bool const parsed = job_parse(&job, message->s, message->len);
    if (!parsed) {
        if (!job.number) {
            log_failure("agent-ends", "ekiden-launch sent something that is no job", 0);
            fail(agent, 111);
            return;
        }
        job = (struct job){
            .number = job.number, .target = "", .extension = "", .recipient = "", .sender = ""};
    }
    failure_clear(&agent->report.failure);
    agent->report.abandoned = false;
    if (is_deliverable(agent, &job, parsed, descriptor, &agent->report.failure))
        deliver(agent, &job, descriptor);
    struct job_answer const answer = {.number = job.number,
                                      .result = agent->report.failure.result,
                                      .text = agent->report.failure.text};
    if (agent->report.abandoned)
        agent->ending = true; /* nobody is there to hear it */
    else if (!agent_link_answer(&agent->link, &answer))
        fail(agent, 111);
    else if (agent_link_flush(&agent->link) != AGENT_LINK_NONE)
        agent->ending = true;
    log_delivery(&job, agent->dotqmail, &agent->report.failure);
}

static void receive(struct agent *agent)
{
    unixmessage message;
    switch (agent_link_receive(&agent->link, &message)) {
    case AGENT_LINK_JOB:
        serve_job(agent, &message);
        unixmessage_drop(&message);
        break;
    case AGENT_LINK_NONE:
        break;
    case AGENT_LINK_END:
        agent->ending = true;
        break;
    case AGENT_LINK_FAILED:
        fail(agent, 111);
        break;
    }
}

/* Waits for a job, unless one was received already, and looks for a signal. */
static void wait_for_job(struct agent *agent, int signals)
{
    enum { JOBS, SIGNALS, COUNT };
    struct pollfd polled[COUNT] = {
        [JOBS] = {.fd = agent_link_descriptor(&agent->link), .events = POLLIN},
        [SIGNALS] = {.fd = signals, .events = POLLIN}};
    int const ready = poll(polled, COUNT, agent_link_has_job(&agent->link) ? 0 : -1);
    if (ready < 0 && errno != EINTR && errno != EAGAIN && errno != ENOMEM) {
        log_failure("agent-ends", "poll", errno);
        fail(agent, 111);
    }
    if (ready > 0 && polled[SIGNALS].revents && selfpipe_read() > 0)
        agent->ending = true;
}

int dotqmail_agent_serve(int socket, struct dotqmail *dotqmail, int home_error)
{
    static struct agent agent; /* large, and there is one a process */
    agent.dotqmail = dotqmail;
    agent.home_error = home_error;
    int const signals = signals_trap_ends();
    if (signals < 0 || !agent_link_start(&agent.link, socket))
        return 111;
    dotqmail->partner = socket;
    while (!agent.ending) {
        wait_for_job(&agent, signals);
        if (!agent.ending)
            receive(&agent);
    }
    agent_link_free(&agent.link);
    selfpipe_finish();
    return agent.exit_code;
}
