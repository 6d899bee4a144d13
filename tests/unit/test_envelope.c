/* The envelope's bytes: what qmail-queue's interface allows, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "queue/envelope.h"

/* Parses BYTES in pieces of PIECE bytes. *used counts to the end of the envelope. */
static enum envelope_result parse(char const *bytes, size_t length, size_t piece, bool marks,
                                  size_t *used)
{
    struct envelope_parser parser;
    enum envelope_result result = ENVELOPE_MORE;
    *used = 0;
    envelope_start(&parser, marks);
    while (result == ENVELOPE_MORE && *used < length) {
        size_t const left = length - *used;
        size_t taken;
        result = envelope_parse(&parser, bytes + *used, left < piece ? left : piece, &taken);
        *used += taken;
    }
    return result;
}

static void envelopes_by_table(void **state)
{
    static struct {
        char const *bytes;
        size_t length;
        bool marks;
        enum envelope_result result;
    } const rows[] = {
        {"Fa@b\0Tc@d\0", 11, false, ENVELOPE_COMPLETE},
        {"F\0Tc@d\0", 8, false, ENVELOPE_COMPLETE}, /* the null sender */
        {"F#@[]\0TF\0TT\0", 13, false, ENVELOPE_COMPLETE},
        {"Fa b\0Tc d\0", 11, false, ENVELOPE_COMPLETE}, /* quoted local parts, unquoted */
        {"Fa@b\0T\xc3\xbc@d\0", 12, false, ENVELOPE_COMPLETE},
        {"Fa@b\0Tc@d", 9, false, ENVELOPE_MORE},
        {"", 0, false, ENVELOPE_MORE},
        {"Fa@b\0", 6, false, ENVELOPE_FORMAT},    /* no recipient */
        {"Fa@b\0T\0", 8, false, ENVELOPE_FORMAT}, /* an empty one */
        {"Ta@b\0Tc@d\0", 11, false, ENVELOPE_FORMAT},
        {"fa@b\0Tc@d\0", 11, false, ENVELOPE_FORMAT},
        {"Fa@b\0Fc@d\0", 11, false, ENVELOPE_FORMAT},
        {"Fa\nb\0Tc@d\0", 11, false, ENVELOPE_FORMAT},
        {"Fa@b\0Tc\rd\0", 11, false, ENVELOPE_FORMAT},
        {"Fa@b\0Tc\x7f"
         "d\0",
         11, false, ENVELOPE_FORMAT},
        {"Fa@b\0+c@d\0", 11, false, ENVELOPE_FORMAT}, /* marks are the queue's own */
        {"Fa@b\0+c@d\0-e@f\0!g@h\0", 21, true, ENVELOPE_COMPLETE},
        {"Fa@b\0!c@d\0", 11, false, ENVELOPE_FORMAT},
        {"Fa@b\0Vx+2B1\0RH\0Tc@d\0NSFD\0Orfc822;c@d\0", 38, false, ENVELOPE_COMPLETE},
        {"Fa@b\0RF\0Tc@d\0NN\0Te@f\0Outf-8;\xc3\xbc@d\0", 34, false, ENVELOPE_COMPLETE},
        {"Fa@b\0RF\0+c@d\0NN\0-e@f\0NF\0", 25, true, ENVELOPE_COMPLETE},
        {"Fa@b\0RF\0Vx\0Tc@d\0", 17, false, ENVELOPE_FORMAT}, /* in another order */
        {"Fa@b\0Vx\0Vx\0Tc@d\0", 17, false, ENVELOPE_FORMAT},
        {"Fa@b\0Vx\0", 9, false, ENVELOPE_FORMAT},
        {"Fa@b\0V\0Tc@d\0", 13, false, ENVELOPE_FORMAT},
        {"Fa@b\0Vx=y\0Tc@d\0", 16, false, ENVELOPE_FORMAT},
        {"Fa@b\0Vx+2\0Tc@d\0", 16, false, ENVELOPE_FORMAT},
        {"Fa@b\0Vx+0A\0Tc@d\0", 17, false, ENVELOPE_FORMAT}, /* a line end in hiding */
        {"Fa@b\0RX\0Tc@d\0", 14, false, ENVELOPE_FORMAT},
        {"Fa@b\0RFF\0Tc@d\0", 15, false, ENVELOPE_TOO_LONG},
        {"Fa@b\0NN\0Tc@d\0", 14, false, ENVELOPE_FORMAT}, /* before its recipient */
        {"Fa@b\0Tc@d\0NNF\0", 15, false, ENVELOPE_FORMAT},
        {"Fa@b\0Tc@d\0NFS\0", 15, false, ENVELOPE_FORMAT},
        {"Fa@b\0Tc@d\0N\0", 13, false, ENVELOPE_FORMAT},
        {"Fa@b\0Tc@d\0NF\0NF\0", 17, false, ENVELOPE_FORMAT},
        {"Fa@b\0Tc@d\0Ox;y\0NF\0", 19, false, ENVELOPE_FORMAT},
        {"Fa@b\0Tc@d\0Ox\0", 14, false, ENVELOPE_FORMAT}, /* no type */
        {"Fa@b\0Tc@d\0O;x\0", 15, false, ENVELOPE_FORMAT},
        {"Fa@b\0Tc@d\0Orfc822;\xc3\xbc@d\0", 24, false, ENVELOPE_FORMAT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 1; piece < 13; piece++) {
            size_t used;
            assert_int_equal(parse(rows[i].bytes, rows[i].length, piece, rows[i].marks, &used),
                             rows[i].result);
            if (rows[i].result == ENVELOPE_COMPLETE)
                assert_int_equal(used, rows[i].length);
        }
}

static void what_follows_is_not_the_envelopes(void **state)
{
    size_t used;
    (void)state;
    assert_int_equal(parse("F\0Ta\0\0Tb\0\0", 10, 100, false, &used), ENVELOPE_COMPLETE);
    assert_int_equal(used, 6);
}

static void addresses_are_bounded(void **state)
{
    char bytes[ENVELOPE_ADDRESS_MAX + 10];
    size_t used;
    (void)state;
    memset(bytes, 'a', sizeof bytes);
    bytes[0] = 'F';
    bytes[1 + ENVELOPE_ADDRESS_MAX] = 0;
    assert_int_equal(parse(bytes, ENVELOPE_ADDRESS_MAX + 2, 50, false, &used), ENVELOPE_MORE);
    bytes[1 + ENVELOPE_ADDRESS_MAX] = 'a';
    assert_int_equal(parse(bytes, ENVELOPE_ADDRESS_MAX + 2, 50, false, &used), ENVELOPE_TOO_LONG);
}

static void parameters_are_bounded(void **state)
{
    static struct {
        char const *begin;
        size_t length, most;
    } const rows[] = {{"F\0V", 3, DSN_ENVID_MAX}, {"F\0Ta\0Ox;", 8, DSN_ORCPT_MAX - 2}};
    char bytes[600];
    size_t used;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(bytes, 'a', sizeof bytes);
        memcpy(bytes, rows[i].begin, rows[i].length);
        size_t const whole = rows[i].length + rows[i].most;
        assert_int_equal(parse(bytes, whole, 50, false, &used), ENVELOPE_MORE);
        assert_int_equal(parse(bytes, whole + 1, 50, false, &used), ENVELOPE_TOO_LONG);
    }
}

static void recipients_are_bounded(void **state)
{
    struct envelope_parser parser;
    enum envelope_result result;
    size_t used;
    (void)state;
    envelope_start(&parser, false);
    assert_int_equal(envelope_parse(&parser, "F", 2, &used), ENVELOPE_MORE);
    for (unsigned int i = 0; i < ENVELOPE_RECIPIENTS_MAX; i++)
        assert_int_equal(envelope_parse(&parser, "Ta", 3, &used), ENVELOPE_MORE);
    result = envelope_parse(&parser, "Ta", 3, &used);
    assert_int_equal(result, ENVELOPE_TOO_LONG);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(envelopes_by_table),
        cmocka_unit_test(what_follows_is_not_the_envelopes),
        cmocka_unit_test(addresses_are_bounded),
        cmocka_unit_test(parameters_are_bounded),
        cmocka_unit_test(recipients_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
