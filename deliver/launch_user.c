#include "deliver/launch_user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/error.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/sender.h"
#include "queue/inject_client.h"

void launch_answer(struct launch *launch, uint64_t number, enum job_result result, char const *text)
{
    struct job_answer const answer = {.number = number, .result = result, .text = text};
    if (!launch->failed && !agent_link_answer(&launch->link, &answer))
        launch->failed = true;
}

void launch_defer(struct launch *launch, char const *name, uint64_t number, char const *text)
{
    struct log_line line;
    launch_answer(launch, number, JOB_DEFERRED, text);
    log_begin(&line, "delivery-deferred");
    log_number(&line, "job", number);
    log_text(&line, "user", name);
    log_text(&line, "reason", text);
    log_write(&line);
}

static void log_user(char const *event, struct launch_user const *user, char const *what)
{
    struct log_line line;
    log_begin(&line, event);
    log_text(&line, "user", user->name);
    log_number(&line, "pid", (uint64_t)user->pid);
    log_text(&line, "what", what);
    log_write(&line);
}

static void append(struct launch_jobs *jobs, struct launch_job *job)
{
    job->next = NULL;
    *(jobs->last ? &jobs->last->next : &jobs->first) = job;
    jobs->last = job;
    jobs->count++;
}

static struct launch_job *take_first(struct launch_jobs *jobs)
{
    struct launch_job *const job = jobs->first;
    if (job) {
        jobs->first = job->next;
        if (!jobs->first)
            jobs->last = NULL;
        jobs->count--;
    }
    return job;
}

/* Takes the job NUMBER out. It is nearly always the first. */
static struct launch_job *take_number(struct launch_jobs *jobs, uint64_t number)
{
    struct launch_job *before = NULL, *job = jobs->first;
    for (; job && job->number != number; job = job->next)
        before = job;
    if (!job)
        return NULL;
    *(before ? &before->next : &jobs->first) = job->next;
    if (jobs->last == job)
        jobs->last = before;
    jobs->count--;
    return job;
}

static void free_job(struct launch *launch, struct launch_job *job)
{
    if (job->descriptor >= 0)
        fd_close(job->descriptor);
    free(job);
    launch->jobs--;
}

struct launch_user *launch_user_find(struct launch *launch, char const *name)
{
    struct launch_user **place = &launch->users;
    for (; *place; place = &(*place)->next)
        if (!strcmp((*place)->name, name))
            return *place;
    struct launch_user *const user = calloc(1, sizeof *user);
    if (!user)
        return NULL;
    user->socket = -1;
    snprintf(user->name, sizeof user->name, "%s", name);
    return *place = user;
}

bool launch_user_is_behind(struct launch_user const *user)
{
    return user->waiting.count >= LAUNCH_WAITING_MAX && user->shed &&
           clock_milliseconds() < user->shed + LAUNCH_SLOW_SECONDS * 1000;
}

bool launch_user_add(struct launch *launch, struct launch_user *user, uint64_t number,
                     char const *bytes, size_t length, int descriptor)
{
    struct launch_job *const job = malloc(sizeof *job + length);
    if (!job)
        return false;
    *job = (struct launch_job){.number = number,
                               .descriptor = descriptor,
                               .since = clock_milliseconds(),
                               .length = length};
    memcpy(job->bytes, bytes, length);
    append(&user->waiting, job);
    launch->jobs++;
    return true;
}

static void defer_all(struct launch *launch, struct launch_user const *user,
                      struct launch_jobs *jobs, char const *text)
{
    struct launch_job *job;
    while ((job = take_first(jobs))) {
        launch_defer(launch, user->name, job->number, text);
        free_job(launch, job);
    }
}

void launch_user_defer(struct launch *launch, struct launch_user *user, char const *text)
{
    defer_all(launch, user, &user->waiting, text);
}

_Static_assert(2 * INJECT_CLIENT_AGENT_MILLISECONDS < LAUNCH_MARGIN_SECONDS * 1000,
               "a forward that waits for a stuck injector is answered before its user is ended");

static void set_deadline(struct launch *launch, struct launch_user *user)
{
    user->since = clock_milliseconds();
    user->deadline =
        user->since + ((long long)launch->settings.program_seconds + LAUNCH_MARGIN_SECONDS) * 1000;
}

/* Our end of the socket is ready for use. */
static bool open_socket(struct launch_user *user, int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    unixmessage_sender_init(&user->sender, ends[0]);
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 &&
        unixmessage_receiver_init(&user->receiver, ends[0], user->main_buffer,
                                  sizeof user->main_buffer, user->descriptor_buffer,
                                  sizeof user->descriptor_buffer)) {
        unixmessage_receiver_refuse_fds(&user->receiver);
        return true;
    }
    fd_close(ends[0]);
    fd_close(ends[1]);
    return false;
}

void launch_user_start(struct launch *launch, struct launch_user *user)
{
    struct launch_account account;
    struct failure failure;
    int ends[2];
    if (!launch_account_find(&account, user->name, &failure)) {
        launch_user_defer(launch, user, failure.text);
        return;
    }
    if (!open_socket(user, ends)) {
        failure_system(&failure, "no delivery process can be started", "", errno);
        launch_user_defer(launch, user, failure.text);
        return;
    }
    pid_t const pid = launch_child_start(&launch->program, &launch->settings, &account, ends[1]);
    int const number = errno;
    fd_close(ends[1]);
    user->socket = ends[0];
    if (pid < 0) {
        launch_user_close(launch, user, "");
        failure_system(&failure, "no delivery process can be started", "", number);
        launch_user_defer(launch, user, failure.text);
        return;
    }
    user->pid = pid;
    user->uid = account.uid;
    user->taken = user->ahead = 0;
    set_deadline(launch, user);
    launch_user_send(launch, user);
}

void launch_user_send(struct launch *launch, struct launch_user *user)
{
    while (user->socket >= 0 && user->waiting.first && user->ahead < LAUNCH_AHEAD &&
           user->taken < LAUNCH_BATCH_MAX) {
        struct launch_job *const job = user->waiting.first;
        unixmessage const message = {
            .s = job->bytes, .len = job->length, .fds = &job->descriptor, .nfds = 1};
        if (!unixmessage_put_and_close(&user->sender, &message, unixmessage_bits_closeall))
            break; /* no memory: it waits for the next process */
        (void)take_first(&user->waiting);
        job->descriptor = -1;
        append(&user->sent, job);
        user->taken++;
        user->ahead++;
    }
    if (user->socket < 0 || sender_flush(&user->sender) || error_isagain(errno) ||
        packet_is_crowded(errno))
        return;
    launch_user_receive(launch, user); /* it is gone: its last answers first */
}

void launch_user_close(struct launch *launch, struct launch_user *user, char const *text)
{
    if (user->socket < 0)
        return;
    unixmessage_sender_free(&user->sender);
    unixmessage_receiver_free(&user->receiver);
    fd_close(user->socket);
    user->socket = -1;
    user->deadline = clock_milliseconds() + LAUNCH_END_SECONDS * 1000;
    defer_all(launch, user, &user->sent, text);
}

static void kill_process(struct launch *launch, struct launch_user *user, char const *text)
{
    launch_user_close(launch, user, text);
    user->deadline = clock_milliseconds() + LAUNCH_END_SECONDS * 1000;
    if (!user->pid)
        return;
    launch_child_kill(user->pid, user->uid);
    user->killed = true;
}

/* Passes an answer on. What comes from the user's side decides over his own mail only: it is no
 * reason to set a message aside that others get as well (JOB_CORRUPT), and the code at its
 * beginning is of the class that the letter says. False when it is none of his jobs. */
static bool pass_answer(struct launch *launch, struct launch_user *user,
                        struct job_answer const *answer)
{
    struct launch_job *const job = take_number(&user->sent, answer->number);
    if (!job)
        return false;
    char const class = job_is_delivered(answer->result) ? '2'
                       : answer->result == JOB_FAILED   ? '5'
                                                        : '4';
    bool const fits = answer->text[0] == class && answer->text[1] == '.';
    enum job_result const result =
        answer->result == JOB_CORRUPT || answer->result == JOB_UNREACHABLE ? JOB_DEFERRED
                                                                           : answer->result;
    char text[JOB_TEXT_MAX + 1];
    snprintf(text, sizeof text, "%c.3.0 %.390s", class, answer->text);
    launch_answer(launch, answer->number, result, fits ? answer->text : text);
    free_job(launch, job);
    user->ahead--;
    set_deadline(launch, user);
    return true;
}

void launch_user_receive(struct launch *launch, struct launch_user *user)
{
    unixmessage message;
    while (user->socket >= 0) {
        struct job_answer answer;
        int const received = unixmessage_receive(&user->receiver, &message);
        if (received < 0 && errno == EINTR)
            continue;
        if (received == 0 || (received < 0 && error_isagain(errno)))
            break;
        if (received < 0) {
            launch_user_close(launch, user,
                              "4.3.0 the user's delivery process ended before it was done");
        } else if (message.nfds || !job_answer_parse(&answer, message.s, message.len) ||
                   !pass_answer(launch, user, &answer)) {
            log_user("delivery-killed", user, "its process answered what it was not asked");
            kill_process(launch, user, "4.3.0 the user's delivery process is out of order");
        }
    }
    bool const may_take = user->waiting.first && user->taken < LAUNCH_BATCH_MAX;
    if (user->socket >= 0 && !user->sent.first && !may_take)
        launch_user_close(launch, user, "");
}

void launch_user_expire(struct launch *launch, struct launch_user *user)
{
    if (user->pid && !user->killed)
        log_user("delivery-killed", user,
                 user->socket >= 0 ? "its process does not get on" : "its process does not end");
    kill_process(launch, user, "4.3.0 the user's delivery process did not get on and was killed");
    if (user->killed)
        launch_user_defer(launch, user,
                          "4.3.0 an earlier delivery process of this user does not end");
}

/* Until when the first job that waits may do so. */
static long long find_late(struct launch_user const *user)
{
    bool const many = user->waiting.count > LAUNCH_WAITING_MAX;
    return user->waiting.first->since +
           (many ? LAUNCH_SLOW_SECONDS : LAUNCH_WAITING_SECONDS) * 1000;
}

long long launch_user_shed(struct launch *launch, struct launch_user *user)
{
    long long const now = clock_milliseconds(), slow_at = user->since + LAUNCH_SLOW_SECONDS * 1000;
    bool const delivers = user->socket >= 0 && user->sent.first;
    if (delivers && now >= slow_at)
        launch_user_defer(launch, user, "4.3.2 deliveries to this user take long at present");
    while (user->waiting.first && now >= find_late(user)) {
        struct launch_job *const job = take_first(&user->waiting);
        user->shed = now;
        launch_defer(launch, user->name, job->number,
                     "4.3.2 too many messages wait for local delivery at present");
        free_job(launch, job);
    }
    if (!user->waiting.first)
        return -1;
    long long const late_at = find_late(user);
    return delivers && slow_at < late_at ? slow_at : late_at;
}

void launch_user_free(struct launch *launch, struct launch_user *user)
{
    struct launch_user **place = &launch->users;
    struct launch_job *job;
    while (*place != user)
        place = &(*place)->next;
    *place = user->next;
    if (user->socket >= 0) {
        unixmessage_sender_free(&user->sender);
        unixmessage_receiver_free(&user->receiver);
        fd_close(user->socket);
    }
    while ((job = take_first(&user->sent)) || (job = take_first(&user->waiting)))
        free_job(launch, job);
    free(user);
}
