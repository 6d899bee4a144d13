/* Agents: processes that the scheduler starts once and gives jobs to (deliver/job.h,
 * deliver/remote_job.h, queue/report_job.h). An agent takes all jobs that wait for it at a time, so
 * batches form by themselves under load. */
#ifndef EKIDEN_SEND_AGENT_H
#define EKIDEN_SEND_AGENT_H

#include <stdbool.h>
#include <sys/types.h>

#include <skalibs/stralloc.h>
#include <skalibs/unixmessage.h>

#include "deliver/job.h"
#include "lib/privilege.h"

#define SEND_AGENTS_LOCAL_MAX 16
#define SEND_AGENTS_MAX       (SEND_AGENTS_LOCAL_MAX + 3)

enum send_agent_kind {
    SEND_AGENT_LOCAL,  /* mailboxes of virtual users, and aliases: several of them */
    SEND_AGENT_LAUNCH, /* system users */
    SEND_AGENT_REMOTE, /* other servers */
    SEND_AGENT_BOUNCE  /* reports to senders */
};

struct send_agent {
    enum send_agent_kind kind;
    pid_t pid;
    bool alive;             /* the socket can be used */
    unsigned int in_flight; /* jobs without an answer */
    unixmessage_sender sender;
    unixmessage_receiver receiver;
    char main_buffer[UNIXMESSAGE_BUFSIZE], extra_buffer[UNIXMESSAGE_AUXBUFSIZE];
};

/* Where an agent finds what it inherits: the folder that is its own matter, the control folder. */
#define SEND_AGENT_DESCRIPTOR 3
#define SEND_AGENT_CONTROL    4

/* Of a job. So much the kernel takes whole or not at all; a longer one could wait half sent
 * (lib/sender.h) while others have their turn. */
#define SEND_AGENT_BYTES_MAX (32u << 10)

/* How an agent is started. */
struct send_agent_start {
    enum send_agent_kind kind;
    char const *path;                  /* its program */
    char const *const *arguments;      /* argv, NULL-terminated */
    struct privilege_user const *user; /* whom it runs as; NULL: it becomes others itself, and keeps
                                          what that takes (privilege_keep_changing_users) */
    int inherited;                     /* becomes its SEND_AGENT_DESCRIPTOR; -1: nothing does */
    int control;                       /* becomes its SEND_AGENT_CONTROL */
};

/* Starts an agent with one end of a socket pair as its fd 0. False after logging. */
bool send_agent_start(struct send_agent *agent, struct send_agent_start const *start);

/* Of the COUNT AGENTS the living one of KIND that has the least to do; COUNT when there is none. */
unsigned int send_agent_least_loaded(struct send_agent const *agents, unsigned int count,
                                     enum send_agent_kind kind);
/* How many answers those of KIND owe. */
unsigned int send_agent_in_flight(struct send_agent const *agents, unsigned int count,
                                  enum send_agent_kind kind);

/* Hands a job over: its wire form BYTES, which asks for ANSWERS answers, and DESCRIPTORS (at most
 * SEND_AGENT_DESCRIPTORS_MAX), the first of which must stay open until the answer came; the others
 * are closed when they have been sent. False when out of memory: the job was not taken, and the
 * others are closed. A partner that is gone is noticed later. */
#define SEND_AGENT_DESCRIPTORS_MAX 2
bool send_agent_put(struct send_agent *agent, stralloc const *bytes, unsigned int answers,
                    int const *descriptors, unsigned int descriptor_count);

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
