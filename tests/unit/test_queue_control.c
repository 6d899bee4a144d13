/* queue/queue_control.h: what operators ask of the scheduler, and what they are told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/queue_control.h"
#include "queue/send_place.h"

#define ID "0123456789abcdefghjk"

/* Copies the bytes to memory of exactly their size, so that a sanitizer sees each byte too far. */
static bool parse(struct queue_request *request, char const *bytes, size_t length)
{
    char *const copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    bool const good = queue_request_parse(request, copy, length);
    free(copy);
    return good;
}

static void a_request_survives_its_way(void **state)
{
    static struct {
        struct queue_request request;
        char const *wire;
        size_t length;
    } const cases[] = {
#define CASE(wire_form, ...) {__VA_ARGS__, wire_form, sizeof wire_form}
        CASE("h\0" ID "\0new", {QUEUE_HOLD, SEND_PLACE_NEW, .id = ID}),
        CASE("l\0" ID "\0hold", {QUEUE_RELEASE, SEND_PLACE_HOLD, .id = ID}),
        CASE("r\0" ID "\0000", {QUEUE_RETRY, 0, .id = ID}),
        CASE("d\0" ID "\0bad", {QUEUE_DROP, SEND_PLACE_BAD, .id = ID}),
        CASE("b\0" ID "\000511", {QUEUE_BOUNCE, QUEUE_SLOTS - 1, .id = ID}),
        CASE("a\0\0", {QUEUE_RETRY_ALL, QUEUE_PLACE_UNKNOWN, .id = ""}),
#undef CASE
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char packet[QUEUE_CONTROL_PACKET_MAX + 1];
        struct queue_request parsed;
        size_t const length = queue_request_format(packet, &cases[i].request);
        assert_int_equal(length, cases[i].length);
        assert_memory_equal(packet, cases[i].wire, length);
        assert_true(parse(&parsed, packet, length));
        assert_int_equal(parsed.operation, cases[i].request.operation);
        assert_int_equal(parsed.place, cases[i].request.place);
        assert_string_equal(parsed.id, cases[i].request.id);
        /* Every part of it is refused, and so is anything after it. */
        for (size_t part = 0; part < length; part++)
            assert_false(parse(&parsed, packet, part));
        packet[length] = 0;
        assert_false(parse(&parsed, packet, length + 1));
    }
}

static void malformed_requests_are_refused(void **state)
{
    static struct {
        char const *wire;
        size_t length;
    } const cases[] = {
#define CASE(wire) {wire, sizeof wire}
        CASE("x\0" ID "\0new"),       CASE("\0" ID "\0new"),
        CASE("hh\0" ID "\0new"),      CASE("h\0\0new"),
        CASE("h\0../../x\0new"),      CASE("h\0" ID "0\0new"),
        CASE("h\0" ID "\0old"),       CASE("h\0" ID "\000512"),
        CASE("h\0" ID "\0-1"),        CASE("h\0" ID "\0wheel"),
        CASE("h\0" ID "\0new\0zero"), CASE("a\0" ID "\0"),
        CASE("h\0" ID "\0 1"),        CASE("h\0" ID "\00099999999999999999999"),
#undef CASE
    };
    struct queue_request request;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_false(parse(&request, cases[i].wire, cases[i].length));
}

static void an_answer_survives_its_way(void **state)
{
    struct queue_answer answer, parsed;
    char packet[QUEUE_CONTROL_PACKET_MAX];
    char text[QUEUE_CONTROL_TEXT_MAX * 2];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    queue_answer_set(&answer, ID, QUEUE_FAILED, "the file", ENOENT);
    assert_string_equal(answer.text, "the file: No such file or directory");
    assert_true(queue_answer_parse(&parsed, packet, queue_answer_format(packet, &answer)));
    assert_int_equal(parsed.outcome, QUEUE_FAILED);
    assert_string_equal(parsed.id, ID);
    assert_string_equal(parsed.text, answer.text);
    queue_answer_set(&answer, ID, QUEUE_NOTHING, text, 0); /* cut */
    size_t const length = queue_answer_format(packet, &answer);
    assert_true(queue_answer_parse(&parsed, packet, length));
    assert_int_equal(strlen(parsed.text), QUEUE_CONTROL_TEXT_MAX);
    for (size_t part = 0; part < length; part++)
        assert_false(queue_answer_parse(&parsed, packet, part));
    packet[0] = 'x';
    assert_false(queue_answer_parse(&parsed, packet, length));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(a_request_survives_its_way),
        cmocka_unit_test(malformed_requests_are_refused),
        cmocka_unit_test(an_answer_survives_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
