#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "data_reference.h"
#include "lib/hops.h"

/* Decodes WIRE in pieces of PIECE bytes. True at the end; *used and *produced are of the whole. */
static bool decode(struct data *data, char const *wire, size_t length, size_t piece, char *out,
                   size_t *used, size_t *produced)
{
    char buffer[4096];
    *used = *produced = 0;
    data_start(data, DATA_DOTTED);
    while (*used < length) {
        size_t taken, made, size = length - *used < piece ? length - *used : piece;
        memcpy(buffer, wire + *used, size);
        bool finished = data_decode(data, buffer, size, &taken, &made);
        assert_true(made <= taken && taken <= size);
        memcpy(out + *produced, buffer, made);
        *used += taken;
        *produced += made;
        if (finished)
            return true;
        assert_int_equal(taken, size);
    }
    return false;
}

static void check(char const *wire, size_t length)
{
    char expected[4096], out[4096];
    struct reference reference = reference_decode(wire, length, expected);
    static size_t const pieces[] = {1, 2, 3, 4, 5, 7, 64, 4096};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct data data;
        size_t used, produced;
        bool finished = decode(&data, wire, length, pieces[i], out, &used, &produced);
        assert_int_equal(finished, reference.finished);
        assert_int_equal(used, reference.used);
        assert_int_equal(data.defects, reference.defects);
        if (finished && !data.defects) {
            assert_int_equal(produced, reference.produced);
            assert_memory_equal(out, expected, produced);
        }
    }
}

/* The same in chunks of PIECE bytes. */
static void check_chunks(char const *wire, size_t length, size_t piece)
{
    char expected[64], out[64], line_end, buffer[64];
    struct reference reference = reference_decode_chunks(wire, length, expected);
    struct data data;
    size_t made = 0;
    data_start(&data, DATA_CHUNKS);
    for (size_t done = 0; done < length;) {
        size_t used, produced, size = length - done < piece ? length - done : piece;
        memcpy(buffer, wire + done, size);
        assert_false(data_decode(&data, buffer, size, &used, &produced));
        assert_int_equal(used, size);
        memcpy(out + made, buffer, produced);
        made += produced;
        done += size;
    }
    if (data_finish(&data, &line_end))
        out[made++] = line_end;
    assert_int_equal(data.defects, reference.defects);
    if (!data.defects) {
        assert_int_equal(made, reference.produced);
        assert_memory_equal(out, expected, made);
        bool added = length < 2 ? length > 0 : memcmp(wire + length - 2, "\r\n", 2) != 0;
        assert_int_equal(data.size, length + (added ? 2 : 0));
    }
}

/* Every string of up to 7 of the bytes that matter, against the reference. */
static void test_every_short_string(void **state)
{
    static char const alphabet[] = {'\r', '\n', '.', 0, 'x'};
    (void)state;
    for (size_t length = 0, count = 1; length <= 7; length++, count *= sizeof alphabet)
        for (size_t number = 0; number < count; number++) {
            char wire[7 + 5];
            size_t rest = number;
            for (size_t i = 0; i < length; i++, rest /= sizeof alphabet)
                wire[i] = alphabet[rest % sizeof alphabet];
            memcpy(wire + length, "\r\n.\r\n", 5);
            check(wire, length + 5);
            for (size_t piece = 1; piece <= 7; piece++)
                check_chunks(wire, length, piece);
        }
}

static void test_false_ends(void **state)
{
    static struct {
        char const *end;
        size_t length;
        unsigned int defects;
    } const rows[] = {
        {"\n.\n", 3, DATA_BARE_LF},
        {"\n.\r\n", 4, DATA_BARE_LF},
        {"\r\n.\n", 4, DATA_BARE_LF},
        {"\r.\r\n", 4, DATA_BARE_CR},
        {"\n.\r", 3, DATA_BARE_LF | DATA_BARE_CR},
        {"\r.\n", 3, DATA_BARE_CR | DATA_BARE_LF},
        {"\r\n\0.\r\n", 6, DATA_NUL},
        {"\r\n.\0\r\n", 6, DATA_NUL},
        {"\n\n.\r\n", 5, DATA_BARE_LF},
        {"\r\n.\r\r\n", 6, DATA_BARE_CR},
        {"\r\n. \r\n", 6, 0},
        {"\r\n.\t\r\n", 6, 0},
        {"\r\n .\r\n", 6, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char wire[100] = "body", out[100];
        size_t used, produced;
        struct data data;
        memcpy(wire + 4, rows[i].end, rows[i].length);
        memcpy(wire + 4 + rows[i].length, "NOOP\r\n.\r\nQUIT", 13);
        assert_true(decode(&data, wire, rows[i].length + 17, 100, out, &used, &produced));
        assert_int_equal(used, rows[i].length + 13);
        assert_int_equal(data.defects, rows[i].defects);
    }
}

static void test_long_lines_are_one(void **state)
{
    char wire[3000], out[4096];
    struct data data;
    size_t used, produced;
    (void)state;
    for (size_t length = 1000; length < 2100; length++) {
        memset(wire, '.', length); /* dots at each place where a look-ahead might end */
        memcpy(wire + length, "\r\n.\r\n", 5);
        wire[0] = 'x';
        assert_true(decode(&data, wire, length + 5, 4096, out, &used, &produced));
        assert_int_equal(produced, length + 1);
        assert_int_equal(data.size, length + 2);
        assert_memory_equal(out, wire, length);
    }
}

static void test_size_counts_the_wire(void **state)
{
    static char const wire[] = "..a\r\n\r\nb\r\n.\r\n";
    char out[100];
    struct data data;
    size_t used, produced;
    (void)state;
    assert_true(decode(&data, wire, sizeof wire - 1, 100, out, &used, &produced));
    assert_int_equal(data.size, 4 + 2 + 3); /* `.a`, ``, `b`, each with CRLF */
    assert_int_equal(produced, 6);
}

static unsigned int hops_of(char const *message, size_t piece)
{
    struct hops hops;
    hops_start(&hops);
    for (size_t length = strlen(message), done = 0; done < length; done += piece)
        hops_add(&hops, message + done, length - done < piece ? length - done : piece);
    return hops.count;
}

static void test_hops(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 40; piece++) {
        assert_int_equal(hops_of("Received: a\nRECEIVED: b\n  Received: folded\nreceived : c\n"
                                 "X-Received: d\nReceived-SPF: e\nReceive: f\nReceived\n"
                                 "Received: g\n\nReceived: body\n",
                                 piece),
                         4);
        assert_int_equal(hops_of("\nReceived: body\n", piece), 0);
        assert_int_equal(hops_of("", piece), 0);
        assert_int_equal(hops_of("Received::\nR:\nReceived:", piece), 2);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_every_short_string), cmocka_unit_test(test_false_ends),
        cmocka_unit_test(test_long_lines_are_one), cmocka_unit_test(test_size_counts_the_wire),
        cmocka_unit_test(test_hops)};
    return cmocka_run_group_tests_name("data", tests, 0, 0);
}
