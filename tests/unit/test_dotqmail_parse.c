/* deliver/dotqmail_parse.h: each kind of line, and what cannot be meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/dotqmail_parse.h"

/* A file's content and what comes out of it: a letter (p f m d: program, forward, mbox, maildir)
 * and the text for each instruction, separated by LF; then the end or the fault, and its line. */
struct example {
    char const *content;
    size_t length; /* 0: that of the string */
    bool forward_only;
    char const *instructions;
    enum dotqmail_parse end;
    unsigned int line;
};

static struct example const examples[] = {
    {"", 0, false, "", DOTQMAIL_END, 0},
    {"# only a comment\n", 0, false, "", DOTQMAIL_END, 1},
    {"./Maildir/\n", 0, false, "d./Maildir/\n", DOTQMAIL_END, 1},
    {"./Maildir/", 0, false, "d./Maildir/\n", DOTQMAIL_END, 1},
    {"/var/mail/ann \t\n", 0, false, "m/var/mail/ann\n", DOTQMAIL_END, 1},
    {".mbox\n", 0, false, "m.mbox\n", DOTQMAIL_END, 1},
    {"/\n.\n", 0, false, "d/\nm.\n", DOTQMAIL_END, 2},
    {"|cat | tee 'a b'\t> /dev/null  \n", 0, false, "pcat | tee 'a b'\t> /dev/null\n", DOTQMAIL_END,
     1},
    {"| \n", 0, false, "p\n", DOTQMAIL_END, 1},
    {"&bob@far.test\n", 0, false, "fbob@far.test\n", DOTQMAIL_END, 1},
    {"bob@far.test\n9@far.test\n", 0, false, "fbob@far.test\nf9@far.test\n", DOTQMAIL_END, 2},
    {"bob\n", 0, false, "fbob\n", DOTQMAIL_END, 1},
    {"&.bob@far.test\n&#x@far.test\n", 0, false, "f.bob@far.test\nf#x@far.test\n", DOTQMAIL_END, 2},
    {"#\n\n  \nbob@far.test\n\n", 0, false, "fbob@far.test\n", DOTQMAIL_END, 5},
    {"+list\nbob@far.test\n", 0, false, "fbob@far.test\n", DOTQMAIL_END, 2},
    {"+list \n./Maildir/\n", 0, false, "", DOTQMAIL_FILE_IN_LIST, 2},
    {"./mbox\n+list\n|cat\n", 0, false, "m./mbox\n", DOTQMAIL_PROGRAM_IN_LIST, 3},
    {"+lists\n+ list\n+\n./mbox\n", 0, false, "m./mbox\n", DOTQMAIL_END, 4},
    {"bob@far.test\n./mbox\n", 0, true, "fbob@far.test\n", DOTQMAIL_FILE_IN_LIST, 2},
    {"|cat\n", 0, true, "", DOTQMAIL_PROGRAM_IN_LIST, 1},
    {"\n./Maildir/\n", 0, false, "", DOTQMAIL_FIRST_BLANK, 1},
    {" \t\n", 0, false, "", DOTQMAIL_FIRST_BLANK, 1},
    {"./Maildir/\r\n", 0, false, "", DOTQMAIL_CONTROL, 1},
    {"|cat\r\n", 0, false, "", DOTQMAIL_CONTROL, 1},
    {"bob@far.test\r\n", 0, false, "", DOTQMAIL_CONTROL, 1},
    {"./a\033b\n", 0, false, "", DOTQMAIL_CONTROL, 1},
    {"bob\177@far.test\n", 0, false, "", DOTQMAIL_CONTROL, 1},
    {"# a\0comment\n", 12, false, "", DOTQMAIL_NUL, 1},
    {"|cat\0\n", 6, false, "", DOTQMAIL_NUL, 1},
    {"./mbox\n\0", 8, false, "m./mbox\n", DOTQMAIL_NUL, 2},
    {"& bob@far.test\n", 0, false, "", DOTQMAIL_NO_ADDRESS, 1},
    {" bob@far.test\n", 0, false, "", DOTQMAIL_NO_ADDRESS, 1},
    {"&<bob@far.test>\n", 0, false, "", DOTQMAIL_NO_ADDRESS, 1},
    {"bob@far.test (Bob)\n", 0, false, "", DOTQMAIL_NO_ADDRESS, 1},
    {"&\n", 0, false, "", DOTQMAIL_NO_ADDRESS, 1},
    {"b\303\266b@far.test\n", 0, false, "fb\303\266b@far.test\n", DOTQMAIL_END, 1},
};

static void lines_are_what_dot_qmail_says(void **state)
{
    static char const letters[] = {[DOTQMAIL_PROGRAM] = 'p',
                                   [DOTQMAIL_FORWARD] = 'f',
                                   [DOTQMAIL_MBOX] = 'm',
                                   [DOTQMAIL_MAILDIR] = 'd'};
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct example const *const example = &examples[i];
        size_t const length = example->length ? example->length : strlen(example->content);
        char *const bytes = malloc(length + 1);
        char seen[256] = "";
        struct dotqmail_parser parser;
        struct dotqmail_instruction instruction;
        enum dotqmail_parse result;
        assert_non_null(bytes);
        memcpy(bytes, example->content, length);
        dotqmail_parse_start(&parser, bytes, length, example->forward_only);
        while ((result = dotqmail_parse_next(&parser, &instruction)) == DOTQMAIL_INSTRUCTION) {
            size_t const used = strlen(seen);
            seen[used] = letters[instruction.kind];
            seen[used + 1] = 0;
            strcat(strcat(seen, instruction.text), "\n");
        }
        if (strcmp(seen, example->instructions) != 0 || result != example->end ||
            parser.line != example->line)
            fail_msg("example %zu: got `%s`, %s (%d) in line %u", i, seen,
                     dotqmail_parse_explain(result), result, parser.line);
        free(bytes);
    }
}

static void addresses_are_bounded(void **state)
{
    enum { MAX = 1003 };
    char bytes[MAX + 3];
    struct dotqmail_parser parser;
    struct dotqmail_instruction instruction;
    (void)state;
    memset(bytes, 'a', sizeof bytes);
    dotqmail_parse_start(&parser, bytes, MAX, false);
    assert_int_equal(dotqmail_parse_next(&parser, &instruction), DOTQMAIL_INSTRUCTION);
    memset(bytes, 'a', sizeof bytes);
    dotqmail_parse_start(&parser, bytes, MAX + 1, false);
    assert_int_equal(dotqmail_parse_next(&parser, &instruction), DOTQMAIL_NO_ADDRESS);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(lines_are_what_dot_qmail_says),
        cmocka_unit_test(addresses_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
