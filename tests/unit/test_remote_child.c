/* deliver/remote_child.h: what the master believes of a process that talked to strangers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "deliver/remote_child.h"
#include "lib/packet.h"

struct fixture {
    struct remote_child child;
    int end; /* the child's */
    char buffer[REMOTE_CHILD_BUFFER];
    struct remote_refusals refusals;
};

static void start(struct fixture *fixture)
{
    int ends[2];
    assert_true(packet_pair(ends));
    *fixture = (struct fixture){.end = ends[1]};
    fixture->child = (struct remote_child){
        .socket = ends[0], .count = 2, .waiting = 2, .numbers = {7, UINT64_MAX}};
}

static void stop(struct fixture *fixture)
{
    close(fixture->child.socket);
    close(fixture->end);
}

static enum remote_child_result say(struct fixture *fixture, char const *bytes, size_t length,
                                    struct job_answer *answer)
{
    assert_int_equal(send(fixture->end, bytes, length, 0), length);
    return remote_child_receive(&fixture->child, answer, fixture->buffer, &fixture->refusals);
}
#define SAY(fixture, text, answer) say(fixture, text, sizeof text, answer)

static void each_recipient_is_answered_once(void **state)
{
    (void)state;
    struct fixture fixture;
    struct job_answer answer;
    start(&fixture);
    assert_int_equal(SAY(&fixture, "18446744073709551615\0D\0005.1.1 no", &answer),
                     REMOTE_CHILD_ANSWER);
    assert_true(answer.number == UINT64_MAX && answer.result == JOB_FAILED);
    assert_string_equal(answer.text, "5.1.1 no");
    assert_int_equal(fixture.child.waiting, 1);
    assert_false(fixture.child.answered[0]);
    assert_int_equal(SAY(&fixture, "7\0K\0002.0.0 ok", &answer), REMOTE_CHILD_ANSWER);
    assert_int_equal(fixture.child.waiting, 0);
    assert_int_equal(SAY(&fixture, "7\0K\0002.0.0 ok", &answer), REMOTE_CHILD_BROKEN);
    stop(&fixture);
}

static void strange_answers_are_not_passed_on(void **state)
{
    (void)state;
    static struct {
        char const *bytes;
        size_t length;
    } const cases[] = {
#define CASE(text) {text, sizeof text}
        CASE("8\0K\0002.0.0 not mine"),
        CASE("7\0K\0ok\0more"),
        CASE("7\0X\0ok"),
        CASE("7\0K\0a\nb"),
        CASE("x\0K\0ok"),
        CASE("7\0KK\0ok"),
        CASE("7"),
        CASE("07x\0K\0ok"),
        CASE("-7\0K\0ok"),
#undef CASE
    };
    char large[REMOTE_CHILD_BUFFER + 1] = "7\0K";
    struct fixture fixture;
    struct job_answer answer;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(&fixture);
        if (say(&fixture, cases[i].bytes, cases[i].length, &answer) != REMOTE_CHILD_BROKEN)
            fail_msg("case %zu", i);
        assert_int_equal(fixture.child.waiting, 2);
        stop(&fixture);
    }
    memset(large + 4, 'a', sizeof large - 5);
    start(&fixture);
    assert_int_equal(say(&fixture, large, sizeof large, &answer), REMOTE_CHILD_BROKEN);
    stop(&fixture);
}

static void descriptors_are_not_taken(void **state)
{
    (void)state;
    static char const bytes[] = "7\0K\0ok";
    struct iovec const piece = {.iov_base = (char *)bytes, .iov_len = sizeof bytes};
    struct fixture fixture;
    struct job_answer answer;
    start(&fixture);
    assert_true(packet_send(fixture.end, &piece, 1, &fixture.end, 1));
    assert_int_equal(
        remote_child_receive(&fixture.child, &answer, fixture.buffer, &fixture.refusals),
        REMOTE_CHILD_BROKEN);
    stop(&fixture);
}

static void a_login_is_refused(void **state)
{
    (void)state;
    static struct smtproute const route = {
        .count = 2, .hosts = {{"a.test", 25, false}, {"b.test", 587, false}}, .auth = "isp"};
    struct remote_way const ways[] = {{.host = "a.test", .port = 25, .reference = "isp"},
                                      {.host = "b.test", .port = 587, .reference = "isp"},
                                      {.host = "b.test", .port = 587, .reference = "other"},
                                      {.host = "b.test", .port = 587}};
    struct fixture fixture;
    struct job_answer answer;
    tain_now_g();
    start(&fixture);
    fixture.child.route = route;
    assert_int_equal(say(&fixture, "L1", 2, &answer), REMOTE_CHILD_NONE);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        assert_int_equal(remote_refusals_has(&fixture.refusals, ways + i), i == 1);
    remote_refusals_clear(&fixture.refusals);
    assert_false(remote_refusals_has(&fixture.refusals, ways + 1));
    assert_int_equal(say(&fixture, "L2", 2, &answer), REMOTE_CHILD_BROKEN);
    assert_int_equal(say(&fixture, "L", 1, &answer), REMOTE_CHILD_BROKEN);
    assert_int_equal(say(&fixture, "L0x", 3, &answer), REMOTE_CHILD_BROKEN);
    fixture.child.route.auth[0] = 0; /* a route without a login has none to refuse */
    assert_int_equal(say(&fixture, "L1", 2, &answer), REMOTE_CHILD_BROKEN);
    stop(&fixture);
}

static void what_is_remembered_is_bounded(void **state)
{
    (void)state;
    static struct remote_refusals refusals;
    struct remote_way way = {.host = "a.test", .reference = "isp"};
    tain_now_g();
    for (way.port = 1; way.port <= 2 * REMOTE_REFUSALS_MAX; way.port++)
        remote_refusals_note(&refusals, way.host, way.port, way.reference);
    for (way.port = 1; way.port <= 2 * REMOTE_REFUSALS_MAX; way.port++)
        assert_int_equal(remote_refusals_has(&refusals, &way), way.port > REMOTE_REFUSALS_MAX);
    way.port = REMOTE_REFUSALS_MAX + 1;
    tain_addsec_g(&STAMP, REMOTE_REFUSALS_SECONDS);
    assert_false(remote_refusals_has(&refusals, &way));
}

static void an_end_is_an_end(void **state)
{
    (void)state;
    struct fixture fixture;
    struct job_answer answer;
    start(&fixture);
    close(fixture.end);
    assert_int_equal(
        remote_child_receive(&fixture.child, &answer, fixture.buffer, &fixture.refusals),
        REMOTE_CHILD_ENDED);
    close(fixture.child.socket);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(each_recipient_is_answered_once),
        cmocka_unit_test(strange_answers_are_not_passed_on),
        cmocka_unit_test(descriptors_are_not_taken),
        cmocka_unit_test(a_login_is_refused),
        cmocka_unit_test(what_is_remembered_is_bounded),
        cmocka_unit_test(an_end_is_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
