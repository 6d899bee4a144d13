/* judge/question.h, judge/finding.h: what is written can be read, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "judge/finding.h"
#include "judge/question.h"

static struct question_answer answer, again;

static void test_questions(void **state)
{
    static struct question const questions[] = {
        {.kind = QUESTION_CONNECTION, .number = 1, .fields = {"192.0.2.1"}},
        {.kind = QUESTION_CLIENT, .number = 0, .fields = {"2001:db8::1"}},
        {.kind = QUESTION_HELLO, .number = 7, .fields = {"n\xc3\xb6.example \x01\xff"}},
        {.kind = QUESTION_SENDER, .number = 8, .fields = {""}},
        {.kind = QUESTION_RECIPIENT, .number = UINT32_MAX, .fields = {"a@b.example", "pass"}},
        {.kind = QUESTION_UNKNOWN, .number = 10, .fields = {"x@b.example"}},
        {.kind = QUESTION_MESSAGE, .number = 11, .fields = {"3"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        char packet[QUESTION_PACKET_MAX + 1];
        struct question read;
        size_t const length = question_format(packet, &questions[i]);
        assert_true(length > 0 && length <= QUESTION_PACKET_MAX);
        assert_true(question_parse(&read, packet, length));
        assert_int_equal(read.kind, questions[i].kind);
        assert_int_equal(read.number, questions[i].number);
        assert_string_equal(read.fields[0], questions[i].fields[0]);
        assert_string_equal(read.fields[1], questions[i].fields[1]);
        /* Cut anywhere, or with more behind it, it is none. */
        for (size_t cut = 0; cut < length; cut++)
            assert_false(question_parse(&read, packet, cut));
        packet[length] = 0;
        assert_false(question_parse(&read, packet, length + 1));
    }
}

static void test_long_field(void **state)
{
    char packet[QUESTION_PACKET_MAX];
    struct question question = {.kind = QUESTION_SENDER, .number = 1};
    struct question read;
    (void)state;
    memset(question.fields[0], 'a', QUESTION_FIELD_MAX);
    size_t const length = question_format(packet, &question);
    assert_int_equal(length, 3 + QUESTION_FIELD_MAX + 1);
    assert_true(question_parse(&read, packet, length));
    assert_string_equal(read.fields[0], question.fields[0]);
    /* Without its end: too long, and no byte behind it is read. */
    memset(question.fields[0], 'a', QUESTION_FIELD_MAX + 1);
    assert_int_equal(question_format(packet, &question), 0);
}

static void test_no_questions(void **state)
{
    static struct {
        char const *bytes;
        size_t length;
    } const packets[] = {
#define PACKET(text) {text, sizeof(text) - 1}
        PACKET(""),
        PACKET("C"),
        PACKET("C1"),
        PACKET("C1\0"),
        PACKET("C1\0a"),
        PACKET("X1\0a\0"),
        PACKET("\0001\0a\0"),
        PACKET("C\0a\0"),
        PACKET("C-1\0a\0"),
        PACKET("C+1\0a\0"),
        PACKET("C 1\0a\0"),
        PACKET("C1x\0a\0"),
        PACKET("C4294967296\0a\0"),
        PACKET("C1\0a\0b\0"),
        PACKET("R1\0a\0"),
        PACKET("R1\0a\0b\0c\0"),
#undef PACKET
    };
    struct question read;
    (void)state;
    for (size_t i = 0; i < sizeof packets / sizeof *packets; i++)
        assert_false(question_parse(&read, packets[i].bytes, packets[i].length));
}

/* An answer as full as it can be. */
static void fill(void)
{
    static enum finding_verdict const verdicts[] = {FINDING_NOTHING, FINDING_ALLOW,
                                                    FINDING_NOTE,    FINDING_DEFER,
                                                    FINDING_REFUSE,  FINDING_UNKNOWN};
    static char text[1000];
    memset(text, 'x', sizeof text - 1);
    answer = (struct question_answer){
        .kind = QUESTION_CLIENT, .number = UINT32_MAX, .count = QUESTION_FINDINGS_MAX};
    for (size_t i = 0; i < answer.count; i++) {
        enum finding_verdict const verdict = verdicts[i % 6];
        unsigned int const number = verdict == FINDING_DEFER    ? 450
                                    : verdict == FINDING_REFUSE ? 550
                                                                : 0;
        finding_make(&answer.findings[i], verdict, text, text);
        finding_reply(&answer.findings[i], number, text, text);
        finding_trail(&answer.findings[i], text);
        finding_trail(&answer.findings[i], text);
    }
}

static void test_answers(void **state)
{
    static char packet[QUESTION_ANSWER_MAX];
    (void)state;
    fill();
    size_t const length = question_answer_format(packet, &answer);
    assert_true(length <= QUESTION_ANSWER_MAX);
    assert_true(question_answer_parse(&again, packet, length));
    assert_int_equal(again.count, answer.count);
    assert_memory_equal(again.findings, answer.findings, sizeof answer.findings);
    assert_int_equal(strlen(again.findings[0].text), FINDING_TEXT_MAX);
    assert_int_equal(strlen(again.findings[0].trail), FINDING_TRAIL_MAX);
    assert_false(question_answer_parse(&again, packet, length - 1));
    answer.count = 0;
    size_t const empty = question_answer_format(packet, &answer);
    assert_true(question_answer_parse(&again, packet, empty) && again.count == 0);
}

static void test_too_many_findings(void **state)
{
    static char packet[2 * QUESTION_ANSWER_MAX];
    static char const finding[] = "-0\0rule\0\0\0\0";
    size_t length = 3;
    (void)state;
    memcpy(packet, "C1", 3);
    for (unsigned int i = 0; i < QUESTION_FINDINGS_MAX; i++, length += sizeof finding)
        memcpy(packet + length, finding, sizeof finding);
    assert_true(question_answer_parse(&again, packet, length));
    memcpy(packet + length, finding, sizeof finding);
    assert_false(question_answer_parse(&again, packet, length + sizeof finding));
}

static void test_findings(void **state)
{
    /* What a judge that was taken over might send. */
    static struct {
        char const *bytes;
        size_t length;
        bool good;
    } const findings[] = {
#define FINDING(text, good) {text, sizeof(text), good}
        FINDING("-0\0rule\0\0\0\0", true),
        FINDING("?0\0rule\0a:1\0\0why\0trail", true),
        FINDING("r550\0rule\0a:1\0005.7.1\0no\0", true),
        FINDING("d421\0rule\0a:1\0004.7.0\0no\0", true),
        FINDING("x0\0rule\0\0\0\0", false),
        FINDING("\0000\0rule\0\0\0\0", false),
        FINDING("-\0rule\0\0\0\0", false),
        FINDING("-250\0rule\0\0\0\0", false),
        FINDING("+250\0rule\0\0\0\0", false),
        FINDING("r0\0rule\0\0\0\0", false),
        FINDING("r250\0rule\0\0\0\0", false),
        FINDING("r450\0rule\0\0\0\0", false),
        FINDING("d550\0rule\0\0\0\0", false),
        FINDING("r5500\0rule\0\0\0\0", false),
        FINDING("r560\0rule\0\0\0\0", false),
        FINDING("r5x0\0rule\0\0\0\0", false),
        FINDING("r55\0rule\0\0\0\0", false),
        FINDING("-0\0\0\0\0\0", false),
        FINDING("-0\0rule\0\0\0\r\n250 ok\0", false),
        FINDING("-0\0rule\0\0\0a\x7f\0", false),
        FINDING("-0\0rule\0\0\0a\xc3\xb6\0", false),
        FINDING("-0\0rule\0\0\0", false),
        FINDING("-0\0rulerulerulerulerulerulerulerule\0\0\0\0", false),
        FINDING("r550\0rule\0a:1\0005.7.10000\0no\0", false),
#undef FINDING
    };
    struct finding finding;
    (void)state;
    for (size_t i = 0; i < sizeof findings / sizeof *findings; i++) {
        size_t const taken = finding_parse(&finding, findings[i].bytes, findings[i].length);
        assert_int_equal(taken, findings[i].good ? findings[i].length : 0);
        for (size_t cut = 0; cut < findings[i].length; cut++)
            assert_int_equal(finding_parse(&finding, findings[i].bytes, cut), 0);
    }
}

/* Whatever a text holds, a reply and the log see printable ASCII. */
static void test_every_byte(void **state)
{
    char text[256], bytes[FINDING_BYTES_MAX];
    struct finding finding, read;
    (void)state;
    for (int i = 0; i < 255; i++)
        text[i] = (char)(i + 1);
    text[255] = 0;
    finding_make(&finding, FINDING_REFUSE, "rule", text);
    finding_reply(&finding, 550, "5.7.1", text);
    finding_trail(&finding, text);
    size_t const length = finding_format(bytes, &finding);
    assert_int_equal(finding_parse(&read, bytes, length), length);
    assert_int_equal(strlen(read.text), 255);
    for (char const *byte = read.text; *byte; byte++)
        assert_true(*byte >= ' ' && *byte <= '~');
    finding_make(&finding, FINDING_NOTHING, "rule", NULL);
    finding_reply(&finding, 0, NULL, NULL);
    assert_true(!*finding.place && !*finding.text && !*finding.status);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_questions),         cmocka_unit_test(test_long_field),
        cmocka_unit_test(test_no_questions),      cmocka_unit_test(test_answers),
        cmocka_unit_test(test_too_many_findings), cmocka_unit_test(test_findings),
        cmocka_unit_test(test_every_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
