/* deliver/forward.h with an injector that does not answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "deliver/forward.h"
#include "lib/clock.h"

#define PATIENCE 300 /* milliseconds */

struct fixture {
    char folder[32], path[48];
    int listener; /* nobody accepts */
    struct forward forward;
    struct failure failure;
};

static int start(void **state)
{
    static struct fixture fixture;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *state = &fixture;
    strcpy(fixture.folder, "/tmp/ekiden-unit-XXXXXX");
    if (!mkdtemp(fixture.folder))
        return -1;
    snprintf(fixture.path, sizeof fixture.path, "%s/inject", fixture.folder);
    strcpy(address.sun_path, fixture.path);
    fixture.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    fixture.forward = (struct forward){.socket = fixture.path, .milliseconds = PATIENCE};
    return fixture.listener < 0 ||
           bind(fixture.listener, (struct sockaddr *)&address, sizeof address) != 0 ||
           listen(fixture.listener, 10) != 0;
}

static int end(void **state)
{
    struct fixture *const fixture = *state;
    close(fixture->listener);
    return unlink(fixture->path) != 0 || rmdir(fixture->folder) != 0;
}

static void deliver(struct fixture *fixture)
{
    static struct message_copy copy;
    struct job const job = {.number = 1,
                            .kind = JOB_ALIAS,
                            .target = "bob@local.test",
                            .extension = "",
                            .recipient = "staff@local.test",
                            .sender = ""};
    forward_alias(&fixture->forward, &copy, &job, -1, &fixture->failure);
    assert_int_equal(fixture->failure.result, JOB_DEFERRED);
    assert_memory_equal(fixture->failure.text, "4.4.1 ", 6);
}

/* How many connected since. */
static unsigned int connected(struct fixture const *fixture)
{
    unsigned int count = 0;
    for (int one; (one = accept(fixture->listener, NULL, NULL)) >= 0; count++)
        close(one);
    return count;
}

static void test_stuck_injector(void **state)
{
    struct fixture *const fixture = *state;
    long long const begin = clock_milliseconds();
    deliver(fixture);
    long long const waited = clock_milliseconds() - begin;
    assert_in_range(waited, PATIENCE, INJECT_CLIENT_AGENT_MILLISECONDS);
    assert_int_equal(connected(fixture), 1);
    deliver(fixture); /* another one does not wait for it too */
    assert_int_equal(connected(fixture), 0);
    fixture->forward.rest_until = clock_milliseconds();
    deliver(fixture);
    assert_int_equal(connected(fixture), 1);
}

/* That is known at once, and is no reason to rest. */
static void test_no_injector(void **state)
{
    struct fixture *const fixture = *state;
    fixture->forward.socket = "/nonexistent/inject";
    fixture->forward.rest_until = 0;
    fixture->forward.milliseconds = INJECT_CLIENT_AGENT_MILLISECONDS;
    deliver(fixture);
    assert_int_equal(fixture->forward.rest_until, 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_stuck_injector),
        cmocka_unit_test(test_no_injector),
    };
    return cmocka_run_group_tests(tests, start, end);
}
