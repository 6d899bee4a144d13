/* An agent's end of the socket to the scheduler: jobs in, answers out (skalibs unixmessage). */
#ifndef EKIDEN_AGENT_LINK_H
#define EKIDEN_AGENT_LINK_H

#include <stdbool.h>

#include <skalibs/stralloc.h>
#include <skalibs/unixmessage.h>

#include "deliver/job.h"

#define AGENT_LINK_BUFFER (64u << 10)

struct agent_link {
    unixmessage_receiver receiver;
    unixmessage_sender sender;
    stralloc answer; /* owned */
    char main_buffer[AGENT_LINK_BUFFER];
    char descriptor_buffer[UNIXMESSAGE_AUXBUFSIZE];
};

/* Takes SOCKET (made non-blocking), and ignores SIGPIPE. False after logging. */
bool agent_link_start(struct agent_link *link, int socket);
void agent_link_free(struct agent_link *link);

enum agent_link_result {
    AGENT_LINK_JOB,   /* *message is the next; valid until the next call. Its descriptors are the
                         caller's: unixmessage_drop closes them */
    AGENT_LINK_NONE,  /* nothing waits now */
    AGENT_LINK_END,   /* the scheduler is gone */
    AGENT_LINK_FAILED /* logged: leave with 111 */
};
enum agent_link_result agent_link_receive(struct agent_link *link, unixmessage *message);

/* True when a job was received already: poll must not wait for one. */
bool agent_link_has_job(struct agent_link const *link);
/* To be polled for reading. */
int agent_link_descriptor(struct agent_link const *link);

/* Puts an answer into the line. False after logging: leave with 111; an unanswered job is delivered
 * again, which is the lesser evil. */
bool agent_link_answer(struct agent_link *link, struct job_answer const *answer);

/* Sends what waits; waits for a scheduler that is behind. The same results as a receive:
 * AGENT_LINK_NONE when all is sent. */
enum agent_link_result agent_link_flush(struct agent_link *link);

#endif
