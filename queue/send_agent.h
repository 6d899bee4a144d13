/* Delivery agents: processes that the scheduler starts once and gives jobs to (deliver/job.h).
 * An agent takes all jobs that wait for it at a time, so batches form by themselves under load. */
#ifndef EKIDEN_SEND_AGENT_H
#define EKIDEN_SEND_AGENT_H

#include <stdbool.h>
#include <sys/types.h>

#include <skalibs/unixmessage.h>

#include "deliver/job.h"
#include "lib/privilege.h"

#define SEND_AGENTS_MAX 16

/* What an agent delivers to. A further kind (remote) gets a letter here and a case in
 * send_dispatch.c. */
enum send_agent_kind { SEND_AGENT_LOCAL };

struct send_agent {
    enum send_agent_kind kind;
    pid_t pid;
    bool alive;             /* the socket can be used */
    unsigned int in_flight; /* jobs without an answer */
    unixmessage_sender sender;
    unixmessage_receiver receiver;
    char main_buffer[UNIXMESSAGE_BUFSIZE], extra_buffer[UNIXMESSAGE_AUXBUFSIZE];
};

/* How an agent is started. */
struct send_agent_start {
    enum send_agent_kind kind;
    char const *path;                  /* its program */
    struct privilege_user const *user; /* whom it runs as */
    int mail;                          /* descriptor of the mail root; it inherits a copy */
};

/* Starts an agent with one end of a socket pair as its fd 0. False after logging. */
bool send_agent_start(struct send_agent *agent, struct send_agent_start const *start);

/* Hands JOB over, with DESCRIPTOR, which must stay open until the answer came. False when out of
 * memory: the job was not taken. A partner that is gone is noticed later. */
bool send_agent_put(struct send_agent *agent, struct job const *job, int descriptor);

/* Writes what the socket takes. False when the agent is gone. */
bool send_agent_flush(struct send_agent *agent);
/* True when something waits to be written. */
bool send_agent_is_behind(struct send_agent const *agent);

enum send_agent_result {
    SEND_AGENT_ANSWER, /* *answer is the next; its text is valid until the next call */
    SEND_AGENT_NONE,   /* nothing now */
    SEND_AGENT_GONE    /* it ended, or does not keep to the protocol */
};
enum send_agent_result send_agent_receive(struct send_agent *agent, struct job_answer *answer);

/* Closes the socket: the agent ends when it has read that. */
void send_agent_close(struct send_agent *agent);

#endif
