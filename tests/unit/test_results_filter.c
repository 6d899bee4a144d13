/* smtpd/results_filter.h: Authentication-Results of ours leave, whoever wrote them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/results_reference.h"

#define ME      "mx.example.org"
#define ALIEN   "mx.xn--bcher-kva.example"
#define MESSAGE 70000

static char result[MESSAGE];
static size_t result_length;

static void put(void *context, char const *bytes, size_t length)
{
    (void)context;
    assert_true(length > 0 && length <= sizeof result - result_length);
    memcpy(result + result_length, bytes, length);
    result_length += length;
}

/* Lets TEXT pass in pieces: the first of FIRST bytes, the others of PIECE. */
static void pass(char const *text, size_t length, size_t first, size_t piece, char const *me)
{
    struct results_filter filter;
    size_t size = first;
    result_length = 0;
    results_filter_start(&filter, put, NULL, me);
    for (size_t done = 0; done < length; size = piece) {
        size_t const now = size < length - done ? size : length - done;
        char *const exact = malloc(now); /* for the sanitizer */
        assert_non_null(exact);
        memcpy(exact, text + done, now);
        results_filter_add(&filter, exact, now);
        free(exact);
        done += now;
    }
    results_filter_end(&filter);
}

static void expect(char const *text, size_t length, size_t first, size_t piece, char const *me,
                   char const *expected, size_t expected_length)
{
    pass(text, length, first, piece, me);
    if (result_length == expected_length && !memcmp(result, expected, expected_length))
        return;
    print_error("`%.*s` in pieces of %zu, %zu: got `%.*s`, expected `%.*s`\n", (int)length, text,
                first, piece, (int)result_length, result, (int)expected_length, expected);
    fail();
}

static void expect_any_pieces(char const *text, char const *me, char const *expected)
{
    size_t const length = strlen(text);
    char reference[4096];
    size_t const reference_length = reference_strip(reference, text, length, me);
    assert_int_equal(reference_length, strlen(expected));
    assert_memory_equal(reference, expected, reference_length);
    expect(text, length, 1, 1, me, expected, strlen(expected));
    for (size_t first = 1; first <= length; first++)
        expect(text, length, first, length, me, expected, strlen(expected));
}

#define AR "Authentication-Results"

/* The value of the field, and whether it claims to be ours. */
static struct {
    char const *value;
    bool ours;
} const values[] = {
    {" mx.example.org; spf=pass\n", true},
    {"mx.example.org;none\n", true},
    {" MX.Example.ORG; spf=pass\n", true},
    {" mx.example.org\n", true},
    {" mx.example.org 1; spf=pass\n", true},
    {" mx.example.org/1; spf=pass\n", true},
    {" mx.example.org.; spf=pass\n", true},
    {"\n mx.example.org\n ; spf=pass\n\tsmtp.mailfrom=x\n", true},
    {" \n \n\tmx.example.org; none\n", true},
    {" (a comment) mx.example.org; none\n", true},
    {" (a (nested; \\) other.example) one)mx.example.org(more); none\n", true},
    {" (folded\n comment)\n mx.example.org; none\n", true},
    {" \"mx.example.org\"; none\n", true},
    {" \"mx.\\example.org\" 1; none\n", true},
    {" \"mx\n .example.org\"; none\n", false}, /* unfolded it has a blank */
    {" mx.example.org=x; none\n", true},
    {" mx.example.org\"x\"; none\n", true},
    {" other.example; spf=pass\n", false},
    {" (mx.example.org) other.example; none\n", false},
    {" xmx.example.org; none\n", false},
    {" mx.example.orgx; none\n", false},
    {" mx.example.or; none\n", false},
    {" mx.example.org..; none\n", false},
    {" mx. example.org; none\n", false},
    {" mx.(x)example.org; none\n", false},
    {" other.example (mx.example.org); none\n", false},
    {" other.example;\n mx.example.org; none\n", false},
    {" \"mx.example.org\\\"\"; none\n", false},
    {" b\xc3\xbc"
     "cher.example; none\n",
     false},
    /* nobody knows whose */
    {"\n", true},
    {" ; mx.example.org; none\n", true},
    {" \"\"; none\n", true},
    {" .; none\n", true},
    {" =?us-ascii?q?mx.example.org?=; none\n", true},
    {" (never closed mx.example.org; none\n", true},
    {" (a))other.example; none\n", true},
    {" \"never closed\n", true},
    {" <mx.example.org>; none\n", true},
    {" \\mx.example.org; none\n", true},
};

static void claims_are_found(void **state)
{
    static char const *const names[] = {AR ":", "authentication-RESULTS:", AR " \t:"};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            char text[400], expected[400];
            snprintf(text, sizeof text, "A: 1\n%s%sB: 2\n\n%s%s", names[n], values[i].value,
                     names[n], values[i].value);
            snprintf(expected, sizeof expected, "A: 1\n%s%sB: 2\n\n%s%s",
                     values[i].ours ? "" : names[n], values[i].ours ? "" : values[i].value,
                     names[n], values[i].value);
            expect_any_pieces(text, ME, expected);
        }
}

static void u_labels_name_us(void **state)
{
    (void)state;
    expect_any_pieces(AR ": mx.b\xc3\xbc"
                         "cher.example; none\n\n",
                      ALIEN, "\n");
    expect_any_pieces(AR ": \"mx.b\xc3\xbc"
                         "cher.example\"; none\n\n",
                      ALIEN, "\n");
    expect_any_pieces(AR ": MX.XN--BCHER-KVA.example; none\n\n", ALIEN, "\n");
    expect_any_pieces(AR ": b\xc3\xbc"
                         "cher.example; none\n\n",
                      "xn--bcher-kva.example", "\n");
    expect_any_pieces(AR ": other.example; none\n\n", ALIEN, AR ": other.example; none\n\n");
}

static void all_else_stays(void **state)
{
    static char const *const messages[] = {
        "",
        "\n",
        "a",
        "A",
        AR,
        AR " ",
        AR "\n",
        AR " \n: mx.example.org; none\n",
        "X-" AR ": mx.example.org; none\n",
        "ARC-" AR ": i=1; mx.example.org; none\n",
        AR "s: mx.example.org; none\n",
        "A: 1\n " AR ": mx.example.org; none\n\n",
        "Received-SPF: pass (mx.example.org: x)\n\n",
        "\n" AR ": mx.example.org; none\n",
        "A: 1\n\n" AR ": mx.example.org; none\n",
        "A: 1\r\n\r\n" AR ": mx.example.org; none\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        expect_any_pieces(messages[i], ME, messages[i]);
    /* Some who read mail go on behind such a line. */
    expect_any_pieces("no field\n" AR ": mx.example.org; none\nB: 2\n", ME, "no field\nB: 2\n");
    expect_any_pieces(" folded\n" AR ": mx.example.org; none\nB: 2\n", ME, " folded\nB: 2\n");
    expect_any_pieces(AR ": mx.example.org; none", ME, "");
    expect_any_pieces(AR ": mx.example.org", ME, "");
    expect_any_pieces(AR ": other.example", ME, AR ": other.example");
    expect_any_pieces(AR ": mx.example.org\n" AR ": other.example\n" AR ":\n mx.example.org\n\n",
                      ME, AR ": other.example\n\n");
}

/* What has to wait is bounded: a claim that is longer cannot be read. */
static void the_limits_hold(void **state)
{
    (void)state;
    static char text[4000], expected[4000];
    static char const tails[][40] = {"other.example; none\n\nbody\n",
                                     "mx.example.org; none\n\nbody\n"};
    for (size_t tail = 0; tail < 2; tail++)
        for (int blanks_first = 0; blanks_first < 2; blanks_first++)
            for (size_t count = 950; count < 1010; count++) {
                size_t const name = sizeof AR - 1;
                memcpy(text, AR, name);
                memset(text + name, ' ', count + 1);
                text[blanks_first ? name + count : name] = ':';
                strcpy(text + name + count + 1, tails[tail]);
                size_t const length = strlen(text);
                size_t const kept = reference_strip(expected, text, length, ME);
                expect(text, length, 1, 1, ME, expected, kept);
                expect(text, length, length, length, ME, expected, kept);
                expect(text, length, 1000, 3, ME, expected, kept);
                expect(text, length, 7, 11, ME, expected, kept);
            }
}

static void it_agrees_with_the_reference(void **state)
{
    static char const *const words[] = {AR,
                                        AR ":",
                                        AR ": mx.example.org;",
                                        AR ": other.example;",
                                        "mx.example.org",
                                        "other.example",
                                        "MX.EXAMPLE.ORG.",
                                        "\n",
                                        "\n",
                                        "\n ",
                                        "\r\n",
                                        " ",
                                        "\t",
                                        ":",
                                        ";",
                                        "(",
                                        ")",
                                        "\\",
                                        "\"",
                                        "\"mx.example.org\"",
                                        "A: 1\n",
                                        "a",
                                        "\n\n",
                                        "b\xc3\xbc",
                                        "=",
                                        "/1",
                                        "authentication-results:\n\t"};
    static char const *const names[] = {ME, ALIEN};
    unsigned int seed = 7;
    size_t removed = 0, kept = 0;
    (void)state;
    for (int round = 0; round < 200000; round++) {
        char text[600], expected[600];
        size_t length = 0;
        int const count = 1 + rand_r(&seed) % 9;
        for (int i = 0; i < count; i++) {
            char const *const word = words[(size_t)rand_r(&seed) % (sizeof words / sizeof *words)];
            memcpy(text + length, word, strlen(word));
            length += strlen(word);
        }
        char const *const me = names[rand_r(&seed) % 2];
        size_t const left = reference_strip(expected, text, length, me);
        expect(text, length, 1 + (size_t)rand_r(&seed) % length, 1 + (size_t)rand_r(&seed) % 20, me,
               expected, left);
        removed += left < length;
        kept += left == length;
    }
    print_message("%zu with a claim, %zu without\n", removed, kept);
    assert_true(removed > 10000 && kept > 10000);
}

static size_t counted;

static void count(void *context, char const *bytes, size_t length)
{
    (void)context;
    (void)bytes;
    counted += length;
}

/* Prints the time of COUNT times PART; memory is the struct. */
static void feed(char const *what, char const *part, size_t times)
{
    static char in[1 << 16];
    static struct results_filter filter;
    struct timespec start, end;
    size_t const length = strlen(part), repeated = sizeof in / length;
    for (size_t i = 0; i < repeated; i++)
        memcpy(in + i * length, part, length);
    counted = 0;
    results_filter_start(&filter, count, NULL, ME);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (size_t done = 0; done < times; done += repeated)
        results_filter_add(&filter, in, repeated * length);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    print_message(
        "%s: %zu bytes passed on, %ld us of CPU\n", what, counted,
        (long)((end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000));
    assert_false(filter.scan.over);
}

static void huge_headers_need_no_memory(void **state)
{
    (void)state;
    feed("a line of 50 MB", "x", 50000000);
    feed("1000000 fields", "Received: from somebody by other.example\n", 1000000);
    feed("1000000 of another name in A", "Authentication-Reports: somebody\n", 1000000);
    feed("1000000 folded lines", " Authentication-Results: other.example\n", 1000000);
    feed("1000000 claims", AR ": mx.example.org; none\n", 1000000);
    feed("1000000 claims of others", AR ": other.example; none\n", 1000000);
    assert_true(counted > 36000000);
}

/* What a usual header costs. */
static void an_ordinary_header_costs_little(void **state)
{
    static char header[4096];
    static struct results_filter filter;
    struct timespec start, end;
    size_t length = 0;
    (void)state;
    for (int i = 0; i < 40; i++)
        length +=
            (size_t)snprintf(header + length, sizeof header - length,
                             "X-Field-%d: some words of a usual length stand here, as ever\n", i);
    length += (size_t)snprintf(header + length, sizeof header - length, "\nbody\n");
    counted = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (int i = 0; i < 10000; i++) {
        results_filter_start(&filter, count, NULL, ME);
        results_filter_add(&filter, header, length);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_int_equal(counted, 10000 * length);
    print_message("a header of 40 fields and %zu bytes: %ld ns\n", length,
                  (long)((end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec - start.tv_nsec) /
                      10000);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(claims_are_found),
        cmocka_unit_test(u_labels_name_us),
        cmocka_unit_test(all_else_stays),
        cmocka_unit_test(the_limits_hold),
        cmocka_unit_test(it_agrees_with_the_reference),
        cmocka_unit_test(huge_headers_need_no_memory),
        cmocka_unit_test(an_ordinary_header_costs_little),
    };
    return cmocka_run_group_tests_name("results_filter", tests, NULL, NULL);
}
