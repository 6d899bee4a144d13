/* deliver/remote_child.h: what the master believes of a process that talked to strangers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "deliver/remote_children.h"
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
        .count = 2,
        .hosts = {{.name = "a.test", .port = 25}, {.name = "b.test", .port = 587}},
        .auth = "isp"};
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

/* A child that has answered for all of its job. */
static void start_done(struct fixture *fixture)
{
    struct job_answer answer;
    start(fixture);
    assert_int_equal(SAY(fixture, "7\0K\0ok", &answer), REMOTE_CHILD_ANSWER);
    assert_int_equal(SAY(fixture, "18446744073709551615\0K\0ok", &answer), REMOTE_CHILD_ANSWER);
}

static void it_is_idle_when_all_is_answered(void **state)
{
    (void)state;
    struct fixture fixture;
    struct job_answer answer;
    tain_now_g();
    start_done(&fixture);
    assert_int_equal(fixture.child.state, REMOTE_CHILD_BUSY);
    assert_int_equal(say(&fixture, "I", 1, &answer), REMOTE_CHILD_NONE);
    assert_int_equal(fixture.child.state, REMOTE_CHILD_IDLE);
    assert_int_equal(say(&fixture, "I", 1, &answer), REMOTE_CHILD_BROKEN);
    stop(&fixture);

    start(&fixture);
    assert_int_equal(SAY(&fixture, "7\0K\0ok", &answer), REMOTE_CHILD_ANSWER);
    assert_int_equal(SAY(&fixture, "I18446744073709551615\0D\0no", &answer), REMOTE_CHILD_ANSWER);
    assert_true(answer.number == UINT64_MAX && answer.result == JOB_FAILED);
    assert_int_equal(fixture.child.state, REMOTE_CHILD_IDLE);
    stop(&fixture);
}

/* An answer that is refused is not marked as given: the master gives one in its place. */
static void it_is_not_idle_before(void **state)
{
    (void)state;
    static char const *const cases[] = {"I", "I7", "I8", "II", "I7x"};
    struct fixture fixture;
    struct job_answer answer;
    start(&fixture);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(say(&fixture, cases[i], strlen(cases[i]), &answer), REMOTE_CHILD_BROKEN);
    assert_int_equal(SAY(&fixture, "I7\0K\0one of two", &answer), REMOTE_CHILD_BROKEN);
    assert_int_equal(fixture.child.waiting, 2);
    assert_false(fixture.child.answered[0]);
    assert_int_equal(SAY(&fixture, "7\0K\0ok", &answer), REMOTE_CHILD_ANSWER);
    assert_int_equal(SAY(&fixture, "I7\0K\0twice", &answer), REMOTE_CHILD_BROKEN);
    assert_int_equal(SAY(&fixture, "I9\0K\0not mine", &answer), REMOTE_CHILD_BROKEN);
    assert_int_equal(fixture.child.waiting, 1);
    assert_int_equal(fixture.child.state, REMOTE_CHILD_BUSY);
    stop(&fixture);
}

/* Gives JOB with a descriptor of its own. */
static bool give(struct fixture *fixture, struct remote_job const *job, int descriptor)
{
    static struct remote_settings const settings = {.timeoutremote = 1};
    stralloc bytes = STRALLOC_ZERO;
    assert_true(remote_job_format(&bytes, job));
    bool const given =
        remote_child_give(&fixture->child, job, bytes.s, bytes.len, descriptor, &settings);
    stralloc_free(&bytes);
    return given;
}

static struct remote_job const further = {
    .route = {.count = 1, .hosts = {{.name = "a.test", .port = 25}}},
    .sender = "s@x.test",
    .count = 1,
    .recipients = {{.number = 9, .address = "r@a.test"}}};

static void a_further_job_has_numbers_of_its_own(void **state)
{
    (void)state;
    struct fixture fixture;
    struct job_answer answer;
    struct remote_job got;
    char bytes[1000];
    int descriptor = -1;
    unsigned int count = 1;
    start_done(&fixture);
    assert_int_equal(say(&fixture, "I", 1, &answer), REMOTE_CHILD_NONE);
    assert_true(give(&fixture, &further, 0));
    assert_int_equal(fixture.child.state, REMOTE_CHILD_BUSY);
    ssize_t const length = packet_receive(fixture.end, bytes, sizeof bytes, &descriptor, &count);
    assert_true(length > 0 && count == 1 && remote_job_parse(&got, bytes, (size_t)length));
    assert_true(got.count == 1 && got.recipients[0].number == 9);
    close(descriptor);
    assert_int_equal(say(&fixture, "E", 1, &answer), REMOTE_CHILD_NONE); /* the job was faster */
    assert_int_equal(fixture.child.state, REMOTE_CHILD_BUSY);
    assert_int_equal(SAY(&fixture, "7\0K\0of the job before", &answer), REMOTE_CHILD_BROKEN);
    assert_int_equal(SAY(&fixture, "I9\0K\0ok", &answer), REMOTE_CHILD_ANSWER);
    assert_int_equal(fixture.child.state, REMOTE_CHILD_IDLE);
    close(fixture.end);
    assert_false(give(&fixture, &further, 0)); /* it is gone */
    assert_int_equal(fixture.child.state, REMOTE_CHILD_IDLE);
    close(fixture.child.socket);
}

/* A process that was taken over and never reads does not hold up the master. */
static void giving_never_waits(void **state)
{
    (void)state;
    struct fixture fixture;
    bool given = true;
    start(&fixture);
    for (unsigned int i = 0; i < 100000 && given; i++)
        given = give(&fixture, &further, 0);
    assert_false(given);
    stop(&fixture);
}

static void it_is_let_go(void **state)
{
    (void)state;
    struct fixture fixture;
    struct job_answer answer;
    char byte;
    start_done(&fixture);
    assert_int_equal(say(&fixture, "I", 1, &answer), REMOTE_CHILD_NONE);
    assert_int_equal(say(&fixture, "E", 1, &answer), REMOTE_CHILD_NONE);
    assert_int_equal(fixture.child.state, REMOTE_CHILD_LEAVING);
    assert_int_equal(packet_receive(fixture.end, &byte, 1, NULL, NULL), 0);
    assert_int_equal(say(&fixture, "E", 1, &answer), REMOTE_CHILD_NONE);
    assert_int_equal(say(&fixture, "I", 1, &answer), REMOTE_CHILD_BROKEN);
    assert_int_equal(SAY(&fixture, "7\0K\0once more", &answer), REMOTE_CHILD_BROKEN);
    stop(&fixture);
}

/* Whatever comes, no number is passed on twice, or one that is not the child's, and it is idle only
 * when all are answered. */
static void nonsense_passes_nothing_on(void **state)
{
    (void)state;
    static char const pieces[] = "IEL07\0KZDNx8\001";
    uint32_t random = 1;
    for (unsigned int round = 0; round < 20000; round++) {
        struct fixture fixture;
        struct job_answer answer;
        unsigned int passed = 0;
        bool broken = false;
        start(&fixture);
        fixture.child.numbers[1] = 0;
        for (unsigned int i = 0; i < 8 && !broken; i++) {
            char bytes[12] = "7";
            size_t length = 0;
            do {
                random = random * 1664525 + 1013904223;
                bytes[length++] = pieces[(random >> 16) % (sizeof pieces - 1)];
            } while (length < sizeof bytes && (random >> 28) > 1);
            if ((random >> 8) % 4 == 0) { /* one that is nearly right */
                memcpy(bytes, "I7\0K\0x", 7);
                bytes[0] = pieces[(random >> 20) % (sizeof pieces - 1)];
                length = 7;
            }
            enum remote_child_state const before = fixture.child.state;
            enum remote_child_result const result = say(&fixture, bytes, length, &answer);
            broken = result == REMOTE_CHILD_BROKEN;
            if (result == REMOTE_CHILD_ANSWER) {
                assert_true(answer.number == 7 || answer.number == 0);
                assert_int_equal(before, REMOTE_CHILD_BUSY);
                passed++;
            }
            assert_int_equal(passed + fixture.child.waiting, 2);
            assert_true(fixture.child.state == REMOTE_CHILD_BUSY || passed == 2);
        }
        stop(&fixture);
    }
}

/* --- all of them --- */

static void fill(struct remote_children *children, unsigned int count)
{
    memset(children, 0, sizeof *children);
    for (; children->count < count; children->count++) {
        struct remote_child *const child = children->entries + children->count;
        *child = (struct remote_child){.socket = -1, .route = further.route, .serial = 1};
        child->state = REMOTE_CHILD_IDLE;
        tain_addsec_g(&child->deadline, (int)((children->count + 7) % count));
    }
}

static void the_one_that_waits_least_is_found(void **state)
{
    (void)state;
    static struct remote_children children;
    struct smtproute other = further.route;
    tain_now_g();
    fill(&children, 20);
    assert_ptr_equal(remote_children_find(&children, &further.route, 1), children.entries + 12);
    children.entries[12].state = REMOTE_CHILD_BUSY;
    children.entries[11].state = REMOTE_CHILD_LEAVING;
    children.entries[10].serial = 0;
    assert_ptr_equal(remote_children_find(&children, &further.route, 1), children.entries + 9);
    snprintf(other.auth, sizeof other.auth, "isp");
    assert_null(remote_children_find(&children, &other, 1));
    assert_null(remote_children_find(&children, &further.route, 2));
    children.entries[3].route = other;
    assert_ptr_equal(remote_children_find(&children, &other, 1), children.entries + 3);
}

static void idle_ones_make_way(void **state)
{
    (void)state;
    static struct remote_children children;
    tain_now_g();
    fill(&children, REMOTE_CHILDREN_IDLE_MAX);
    remote_children_bound_idle(&children, children.entries);
    assert_int_equal(children.entries[REMOTE_CHILDREN_IDLE_MAX - 7].state, REMOTE_CHILD_IDLE);
    fill(&children, REMOTE_CHILDREN_IDLE_MAX + 1);
    remote_children_bound_idle(&children, children.entries);
    for (unsigned int i = 0; i < children.count; i++)
        assert_int_equal(children.entries[i].state, i + 6 == REMOTE_CHILDREN_IDLE_MAX
                                                        ? REMOTE_CHILD_LEAVING
                                                        : REMOTE_CHILD_IDLE);
    assert_int_equal(remote_children_dispensable(&children), REMOTE_CHILDREN_IDLE_MAX - 6);
    remote_children_let_go(&children);
    for (unsigned int i = 0; i < children.count; i++)
        assert_int_equal(children.entries[i].state, REMOTE_CHILD_LEAVING);

    fill(&children, 3);
    assert_true(remote_children_dispensable(&children) < 3);
    children.entries[1].state = REMOTE_CHILD_BUSY; /* it only says QUIT any more */
    assert_int_equal(remote_children_dispensable(&children), 1);
    for (unsigned int i = 0; i < 3; i++)
        children.entries[i].state = REMOTE_CHILD_BUSY, children.entries[i].waiting = 1;
    assert_int_equal(remote_children_dispensable(&children), 3);
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
        cmocka_unit_test(it_is_idle_when_all_is_answered),
        cmocka_unit_test(it_is_not_idle_before),
        cmocka_unit_test(a_further_job_has_numbers_of_its_own),
        cmocka_unit_test(giving_never_waits),
        cmocka_unit_test(it_is_let_go),
        cmocka_unit_test(nonsense_passes_nothing_on),
        cmocka_unit_test(the_one_that_waits_least_is_found),
        cmocka_unit_test(idle_ones_make_way),
        cmocka_unit_test(what_is_remembered_is_bounded),
        cmocka_unit_test(an_end_is_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
