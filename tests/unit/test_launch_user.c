/* ekiden-launch: how much of one user's mail may keep places that others need. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "deliver/launch_user.h"
#include "lib/clock.h"

#define JOBS 50

/* A user with JOBS jobs, of whom no process takes any. */
static struct launch_user *fill(struct launch *launch)
{
    int ends[2];
    memset(launch, 0, sizeof *launch);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_true(agent_link_start(&launch->link, ends[0]));
    close(ends[1]);
    struct launch_user *const user = launch_user_find(launch, "ann");
    assert_non_null(user);
    for (uint64_t number = 1; number <= JOBS; number++)
        assert_true(launch_user_add(launch, user, number, "", 0, open("/dev/null", O_RDONLY)));
    assert_int_equal(user->waiting.count, JOBS);
    return user;
}

static void wait_for(struct launch_user *user, long long seconds)
{
    for (struct launch_job *job = user->waiting.first; job; job = job->next)
        job->since -= seconds * 1000;
}

static void end(struct launch *launch, struct launch_user *user)
{
    int const socket = agent_link_descriptor(&launch->link);
    launch_user_free(launch, user);
    assert_int_equal(launch->jobs, 0);
    agent_link_free(&launch->link);
    close(socket);
}

/* One user's mail does not keep the places of all. */
static void test_most_of_what_waits_is_deferred(void **state)
{
    static struct launch launch;
    struct launch_user *const user = fill(&launch);
    (void)state;
    wait_for(user, LAUNCH_SLOW_SECONDS - 2);
    assert_true(launch_user_shed(&launch, user) <= clock_milliseconds() + 2000);
    assert_int_equal(user->waiting.count, JOBS);
    assert_false(launch_user_is_behind(user));
    wait_for(user, 2);
    assert_true(launch_user_shed(&launch, user) > clock_milliseconds() + 2000);
    assert_int_equal(user->waiting.count, LAUNCH_WAITING_MAX);
    assert_int_equal(user->waiting.first->number, JOBS - LAUNCH_WAITING_MAX + 1);
    assert_int_equal(launch.jobs, LAUNCH_WAITING_MAX);
    assert_true(launch_user_is_behind(user)); /* nor does what comes after it */
    end(&launch, user);
}

static void test_a_few_wait_longer(void **state)
{
    static struct launch launch;
    struct launch_user *const user = fill(&launch);
    (void)state;
    wait_for(user, LAUNCH_SLOW_SECONDS);
    launch_user_shed(&launch, user);
    wait_for(user, LAUNCH_WAITING_SECONDS - LAUNCH_SLOW_SECONDS - 2);
    launch_user_shed(&launch, user);
    assert_int_equal(user->waiting.count, LAUNCH_WAITING_MAX);
    wait_for(user, 2);
    assert_int_equal(launch_user_shed(&launch, user), -1);
    assert_int_equal(user->waiting.count, 0);
    assert_false(launch_user_is_behind(user));
    end(&launch, user);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_most_of_what_waits_is_deferred),
        cmocka_unit_test(test_a_few_wait_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
