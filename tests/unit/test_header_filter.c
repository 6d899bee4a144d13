/* deliver/header_filter.h: Return-Path leaves, Delivered-To is noticed, all else stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <cmocka.h>

#include "deliver/header_filter.h"

#define RECIPIENT "ann@example.org"

/* Runs INPUT through the filter in pieces of PIECE bytes (the first of FIRST). Returns the output,
 * to be freed. */
static char *run(char const *input, size_t length, size_t first, size_t piece, size_t *out_length,
                 bool *loop)
{
    struct header_filter filter;
    char *const out = malloc(length + 1);
    assert_non_null(out);
    *out_length = 0;
    header_filter_start(&filter, RECIPIENT, strlen(RECIPIENT));
    size_t next = first;
    for (size_t done = 0; done < length;) {
        size_t const taken = next < length - done ? next : length - done;
        char *const in = malloc(taken), *const part = malloc(taken + HEADER_FILTER_HELD_MAX);
        assert_true(in && part);
        memcpy(in, input + done, taken);
        size_t const passed = header_filter_pass(&filter, in, taken, part);
        assert_true(*out_length + passed <= length);
        memcpy(out + *out_length, part, passed);
        *out_length += passed;
        free(in);
        free(part);
        done += taken;
        next = piece;
    }
    char rest[HEADER_FILTER_HELD_MAX];
    size_t const held = header_filter_end(&filter, rest);
    assert_true(*out_length + held <= length);
    memcpy(out + *out_length, rest, held);
    *out_length += held;
    *loop = filter.loop;
    return out;
}

static void expect(char const *input, size_t length, size_t first, size_t piece,
                   char const *expected, size_t expected_length, bool expected_loop)
{
    bool loop;
    size_t out_length;
    char *const out = run(input, length, first, piece, &out_length, &loop);
    if (out_length != expected_length || memcmp(out, expected, out_length) != 0 ||
        loop != expected_loop) {
        print_error("input `%.*s` in pieces of %zu, %zu: got `%.*s`, loop %d; expected `%.*s`\n",
                    (int)length, input, first, piece, (int)out_length, out, loop,
                    (int)expected_length, expected);
        fail();
    }
    free(out);
}

/* Whole, byte by byte, and cut in two at every place. */
static void expect_any_pieces(char const *input, size_t length, char const *expected,
                              size_t expected_length, bool loop)
{
    expect(input, length, 1, 1, expected, expected_length, loop);
    for (size_t first = 1; first <= length; first++)
        expect(input, length, first, length, expected, expected_length, loop);
}

static void fields_are_left_out_and_noticed(void **state)
{
    (void)state;
    static struct {
        char const *input, *expected;
        bool loop;
    } const cases[] = {
        {"", "", false},
        {"\n", "\n", false},
        {"Return-Path: <a>\n", "", false},
        {"Return-Path: <a>", "", false},
        {"Return-Path:", "", false},
        {"Return-Path", "Return-Path", false},
        {"Return-Path ", "Return-Path ", false},
        {"Return-Path\n", "Return-Path\n", false},
        {"Return-Path <a>\n", "Return-Path <a>\n", false},
        {"Return-Paths: <a>\n", "Return-Paths: <a>\n", false},
        {"Return-Pat: <a>\n", "Return-Pat: <a>\n", false},
        {"X-Return-Path: <a>\n", "X-Return-Path: <a>\n", false},
        {"rEtUrN-pAtH \t : <a>\n\nb", "\nb", false},
        {"A: 1\nReturn-Path: <a>\n b\n\tc\nB: 2\n\nx", "A: 1\nB: 2\n\nx", false},
        {"A: 1\nReturn-Path:\n <a>\nReturn-Path: <b>\nB: 2\n", "A: 1\nB: 2\n", false},
        {"Return-Path: <a>\r\nB: 2\r\n\r\nReturn-Path: x\r\n", "B: 2\r\n\r\nReturn-Path: x\r\n",
         false},
        {"A: 1\n\nReturn-Path: <a>\n", "A: 1\n\nReturn-Path: <a>\n", false},
        {"\nReturn-Path: <a>\n", "\nReturn-Path: <a>\n", false},
        {" folded\nReturn-Path: <a>\n", " folded\n", false},
        {"no field\nReturn-Path: <a>\nx", "no field\nx", false},
        {":\nReturn-Path: <a>\nx", ":\nx", false},
        {"A: 1\n Return-Path: <a>\n", "A: 1\n Return-Path: <a>\n", false},
        {"Return-Path: <a>\n \nB: 2\n", "B: 2\n", false},
        {"\rReturn-Path: <a>\nB", "\rReturn-Path: <a>\nB", false},
        {"\r\r\nReturn-Path: <a>\nB", "\r\r\nB", false},
        {"Delivered-To: ann@example.org\n", 0, true},
        {"Delivered-To: ann@example.org", 0, true},
        {"delivered-TO :\tANN@Example.ORG  \t\n\n", 0, true},
        {"Delivered-To: ann@example.org\r\n\r\n", 0, true},
        {"Delivered-To:\n ann@example.org\n\n", 0, true},
        {"Delivered-To:\r\n ann@example.org\r\n\r\n", 0, true},
        {"Delivered-To: ann@example.org\n \n\n", 0, true},
        {"Delivered-To: bob@example.org\nDelivered-To: ann@example.org\nA: 1\n", 0, true},
        {"Delivered-To: ann@example.orgs\n", 0, false},
        {"Delivered-To: ann@example.org bob\n", 0, false},
        {"Delivered-To: ann@example.org\n bob\n", 0, false},
        {"Delivered-To: ann@example.\n org\n", 0, false},
        {"Delivered-To: ann@example.or\n", 0, false},
        {"Delivered-To: xann@example.org\n", 0, false},
        {"Delivered-To: bob\n ann@example.org\n", 0, false},
        {"Delivered-To:\n\n", 0, false},
        {"Delivered-To\n: ann@example.org\n", 0, false},
        {"X: 1\n Delivered-To: ann@example.org\n", 0, false},
        {"X: 1\n\nDelivered-To: ann@example.org\n", 0, false},
        {"Return-Path: <a>\n Delivered-To: ann@example.org\nB: 1\n", "B: 1\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char const *const expected = cases[i].expected ? cases[i].expected : cases[i].input;
        expect_any_pieces(cases[i].input, strlen(cases[i].input), expected, strlen(expected),
                          cases[i].loop);
    }
}

static void nul_bytes_are_bytes(void **state)
{
    (void)state;
    static char const input[] = "A: \0\0\nReturn-Path: \0x\n\0\n\n\0";
    static char const expected[] = "A: \0\0\n\0\n\n\0";
    expect_any_pieces(input, sizeof input, expected, sizeof expected, false);
}

/* Blanks before the colon wait for it, up to the room that there is for them; it is a field with
 * more of them as well. */
static void blanks_before_the_colon_are_bounded(void **state)
{
    (void)state;
    static size_t const counts[] = {1, 998, HEADER_FILTER_HELD_MAX - 11,
                                    HEADER_FILTER_HELD_MAX - 10, 70000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t const length = 11 + counts[i] + 4;
        char *const input = malloc(length);
        assert_non_null(input);
        memset(input, ' ', length);
        memcpy(input, "Return-Path", 11);
        memcpy(input + length - 4, ": x\n", 4);
        expect(input, length, length, length, input, 0, false);
        expect(input, length, 1, 1, input, 0, false);
        expect(input, length, 500, 7, input, 0, false);
        free(input);
    }
}

/* The same rules, written for a whole message in memory. */
static size_t model(char const *input, size_t length, char *out, bool *loop)
{
    enum { OTHER, DROPPED, DELIVERED } field = OTHER;
    char value[4096];
    size_t used = 0, value_length = 0, i = 0;
    *loop = false;
    while (i <= length) {
        char const *const end = i < length ? memchr(input + i, '\n', length - i) : NULL;
        size_t const line = i == length ? 0 : end ? (size_t)(end - (input + i)) + 1 : length - i;
        char const *const start = input + i;
        bool const folded = line && (*start == ' ' || *start == '\t');
        if (!folded && field == DELIVERED) {
            size_t first = 0;
            while (first < value_length && strchr(" \t\r\n", value[first]))
                first++;
            while (value_length > first && strchr(" \t\r\n", value[value_length - 1]))
                value_length--;
            if (value_length - first == strlen(RECIPIENT) &&
                !strncasecmp(value + first, RECIPIENT, value_length - first))
                *loop = true;
        }
        if (!line)
            break;
        if ((line == 1 && *start == '\n') || (line == 2 && !memcmp(start, "\r\n", 2))) {
            memcpy(out + used, start, length - i);
            return used + length - i;
        }
        size_t value_start = 0;
        if (!folded) {
            static char const *const known[] = {"", "return-path", "delivered-to"};
            field = OTHER;
            for (int name = DROPPED; name <= DELIVERED; name++) {
                size_t colon = strlen(known[name]);
                if (line <= colon || strncasecmp(start, known[name], colon) != 0)
                    continue;
                while (colon < line && (start[colon] == ' ' || start[colon] == '\t'))
                    colon++;
                if (colon < line && start[colon] == ':') {
                    field = name == DROPPED ? DROPPED : DELIVERED;
                    value_length = 0;
                    value_start = colon + 1;
                }
            }
        }
        if (field == DELIVERED) {
            memcpy(value + value_length, start + value_start, line - value_start);
            value_length += line - value_start;
        }
        if (field != DROPPED) {
            memcpy(out + used, start, line);
            used += line;
        }
        i += line;
    }
    return used;
}

static void it_agrees_with_a_model(void **state)
{
    (void)state;
    static char const *const words[] = {"Return-Path",
                                        "return-path:",
                                        "Return-Path: <x>\n",
                                        "Delivered-To:",
                                        RECIPIENT,
                                        "Delivered-To",
                                        "\n",
                                        "\r\n",
                                        " ",
                                        "\t",
                                        ":",
                                        "A: 1\n",
                                        "ANN@example.org\n",
                                        "R",
                                        "d",
                                        "\n\n",
                                        "bob",
                                        "Delivered-To: ann@example.org"};
    unsigned int seed = 2;
    size_t loops = 0, dropped = 0;
    for (int round = 0; round < 200000; round++) {
        char input[600], out[600];
        size_t length = 0;
        bool loop;
        int const count = 1 + rand_r(&seed) % 9;
        for (int i = 0; i < count; i++) {
            char const *const word = words[(size_t)rand_r(&seed) % (sizeof words / sizeof *words)];
            memcpy(input + length, word, strlen(word));
            length += strlen(word);
        }
        size_t const out_length = model(input, length, out, &loop);
        size_t const first = 1 + (size_t)rand_r(&seed) % length;
        size_t const piece = 1 + (size_t)rand_r(&seed) % 20;
        expect(input, length, first, piece, out, out_length, loop);
        loops += loop;
        dropped += out_length < length;
    }
    print_message("%zu loops, %zu with Return-Path\n", loops, dropped);
    assert_true(loops > 1000 && dropped > 1000);
}

/* Feeds COUNT times PART. Prints the time; the tests ask that the memory is the struct. */
static void feed(char const *what, char const *part, size_t count)
{
    static char in[1 << 16], out[(1 << 16) + HEADER_FILTER_HELD_MAX];
    struct header_filter filter;
    struct timespec start, end;
    size_t const length = strlen(part), repeated = sizeof in / length;
    size_t passed = 0;
    for (size_t i = 0; i < repeated; i++)
        memcpy(in + i * length, part, length);
    header_filter_start(&filter, RECIPIENT, strlen(RECIPIENT));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (size_t done = 0; done < count; done += repeated)
        passed += header_filter_pass(&filter, in, repeated * length, out);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_false(filter.in_body);
    print_message(
        "%s: %zu bytes passed on, %ld ms of CPU\n", what, passed,
        (long)((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000));
}

static void huge_headers_need_no_memory(void **state)
{
    (void)state;
    feed("a line of 50 MB", "x", 50000000);
    feed("1000000 fields", "Delivered-To: somebody@example.org\n", 1000000);
    feed("1000000 folded lines", " Delivered-To: somebody@example.org\n", 1000000);
    feed("1000000 Return-Path", "Return-Path: <somebody@example.org>\n", 1000000);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(fields_are_left_out_and_noticed),
        cmocka_unit_test(nul_bytes_are_bytes),
        cmocka_unit_test(blanks_before_the_colon_are_bounded),
        cmocka_unit_test(it_agrees_with_a_model),
        cmocka_unit_test(huge_headers_need_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
