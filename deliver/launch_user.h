/* A system user with mail: the jobs that wait for him, and the one process that delivers them. */
#ifndef EKIDEN_LAUNCH_USER_H
#define EKIDEN_LAUNCH_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <skalibs/unixmessage.h>

#include "deliver/agent_link.h"
#include "deliver/launch_child.h"

#define LAUNCH_BATCH_MAX      64 /* jobs of one process; then others have their turn */
#define LAUNCH_MARGIN_SECONDS 90 /* for a delivery, beside its programs: locks, disks, forwards */
#define LAUNCH_END_SECONDS    10 /* for a process to end once it has nothing to do any more */
#define LAUNCH_AHEAD          2  /* jobs that a process has at a time: no wait between them */

/* What waits here has a place of local delivery, which others wait for. So it is deferred where a
 * delivery to its user takes as long as the first, or where it has waited as long as the second;
 * and of one user's mail that has waited as long as the first only so many stay. Without that a few
 * hundred messages to one user whose program takes some seconds kept all places, and everybody's
 * local mail, for minutes. */
#define LAUNCH_SLOW_SECONDS    10
#define LAUNCH_WAITING_SECONDS 30
#define LAUNCH_WAITING_MAX     8

struct launch_job {
    struct launch_job *next;
    uint64_t number;
    int descriptor;  /* the queue file; -1 once it was handed on */
    long long since; /* clock_milliseconds: here */
    size_t length;
    char bytes[]; /* as the scheduler sent them */
};

struct launch_jobs {
    struct launch_job *first, *last;
    unsigned int count;
};

struct launch_user {
    struct launch_user *next;
    char name[LAUNCH_NAME_MAX + 1];
    struct launch_jobs waiting, sent;
    unsigned int taken; /* jobs that the process was given */
    unsigned int ahead; /* of those, in `sent` */
    pid_t pid;          /* 0: none */
    uid_t uid;          /* of the process */
    int socket;         /* to the process; -1: none, or it has no more to do */
    bool killed;        /* and not ended yet: his mail is deferred as long */
    long long since;    /* clock_milliseconds: the last answer of the process, or its start */
    long long shed;     /* clock_milliseconds: when a job had waited for too long; 0: none had */
    long long deadline; /* clock_milliseconds: of the delivery at hand, or of the process's end */
    unixmessage_sender sender;
    unixmessage_receiver receiver;
    char main_buffer[4096], descriptor_buffer[UNIXMESSAGE_AUXBUFSIZE];
};

/* What all users share. */
struct launch {
    struct agent_link link;
    struct launch_program program;
    struct launch_settings settings;
    struct launch_user *users; /* owned; those who have waited longest come first */
    unsigned int jobs;         /* in hand, of all users */
    bool failed;               /* the scheduler cannot be answered any more */
};

/* The user NAME, new where he had nothing here. NULL when out of memory. */
struct launch_user *launch_user_find(struct launch *launch, char const *name);

/* True when so much waits, and did for so long, that a further job is not to wait here. */
bool launch_user_is_behind(struct launch_user const *user);

/* Takes over a job: BYTES (copied) and DESCRIPTOR. False when out of memory: it is still the
 * caller's. */
bool launch_user_add(struct launch *launch, struct launch_user *user, uint64_t number,
                     char const *bytes, size_t length, int descriptor);

/* Starts the process that delivers what waits. Where that cannot be done the jobs are deferred. */
void launch_user_start(struct launch *launch, struct launch_user *user);

/* Hands what waits to the process, as long as it may take it. */
void launch_user_send(struct launch *launch, struct launch_user *user);

/* Reads the answers of the process; each must be for one of the jobs that it has. When it has no
 * more to do it is let go. */
void launch_user_receive(struct launch *launch, struct launch_user *user);

/* The deadline has passed. */
void launch_user_expire(struct launch *launch, struct launch_user *user);

/* Closes the socket and defers, for the reason TEXT, what the process had in hand. */
void launch_user_close(struct launch *launch, struct launch_user *user, char const *text);

/* Defers what waits. */
void launch_user_defer(struct launch *launch, struct launch_user *user, char const *text);

/* Defers what has waited for too long, or waits behind a delivery that takes long. Returns when to
 * look again (clock_milliseconds), -1: when something has changed. */
long long launch_user_shed(struct launch *launch, struct launch_user *user);

/* Frees USER and what is left of his jobs, unanswered. */
void launch_user_free(struct launch *launch, struct launch_user *user);

/* Answers a job. */
void launch_answer(struct launch *launch, uint64_t number, enum job_result result,
                   char const *text);
/* The same for one that is deferred here, and logs it. */
void launch_defer(struct launch *launch, char const *name, uint64_t number, char const *text);

#endif
