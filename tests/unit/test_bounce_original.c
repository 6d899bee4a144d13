/* queue/bounce_original.h and bounce_writer.h: the original in its part, and what stands in no
 * boundary's way. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/checksum.h"
#include "queue/bounce_original.h"

#define BOUNDARY "=_b0"

static struct queue_file file;
static int folder;
static char path[] = "/tmp/ekiden-unit-XXXXXX";

static int open_folder(void **state)
{
    (void)state;
    folder = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY) : -1;
    return folder < 0 ? -1 : 0;
}

static int close_folder(void **state)
{
    (void)state;
    close(folder);
    return rmdir(path);
}

static void begin(struct bounce_writer *writer)
{
    char id[QUEUE_ID_LENGTH + 1];
    queue_file_name(id);
    assert_int_equal(queue_file_create(&file, folder, id, 0), QUEUE_OK);
    assert_int_equal(queue_file_envelope(&file, "F\0Ta\0", 6), QUEUE_OK);
    bounce_writer_start(writer, &file);
}

/* What was written, from the writer's buffer: nothing here is as large as that. */
static void end(struct bounce_writer const *writer, char const *expected, size_t length)
{
    assert_int_equal(file.status, QUEUE_OK);
    assert_int_equal(writer->written, length);
    assert_true(file.buffered >= length);
    assert_memory_equal(file.buffer + file.buffered - length, expected, length);
    queue_file_abort(&file);
}

static void written_in_pieces(bool encoding, char const *text, size_t length, size_t piece,
                              char const *expected)
{
    struct bounce_writer writer;
    begin(&writer);
    bounce_writer_encode(&writer, encoding);
    for (size_t done = 0; done < length; done += piece)
        bounce_put(&writer, text + done, piece < length - done ? piece : length - done);
    bounce_writer_encode(&writer, false);
    end(&writer, expected, strlen(expected));
}

static void quoted_printable(void **state)
{
    (void)state;
#define X10 "xxxxxxxxxx"
    static struct {
        char const *text, *expected;
    } const cases[] = {
        {"plain\n", "plain\n"},
        {"a=b\xc3\xbc\x7f\r\n", "a=3Db=C3=BC=7F=0D\n"},
        {"blank \ntab\t\n \n a  b\n", "blank=20\ntab=09\n=20\n a  b\n"},
        {"--=_b0\n", "--=3D_b0\n"},
        {X10 X10 X10 X10 X10 X10 X10 "12345\n", X10 X10 X10 X10 X10 X10 X10 "12345\n"},
        {X10 X10 X10 X10 X10 X10 X10 "123456\n", X10 X10 X10 X10 X10 X10 X10 "12345=\n6\n"},
        {X10 X10 X10 X10 X10 X10 X10 "123=\n", X10 X10 X10 X10 X10 X10 X10 "123=\n=3D\n"},
        {X10 X10 X10 X10 X10 X10 X10 "1234 \n", X10 X10 X10 X10 X10 X10 X10 "1234=\n=20\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 90; piece += 11)
            written_in_pieces(true, cases[i].text, strlen(cases[i].text), piece, cases[i].expected);
    written_in_pieces(false, "a=b \n", 5, 1, "a=b \n");
}

static void folded(char const *text, char const *expected)
{
    struct bounce_writer writer;
    begin(&writer);
    bounce_puts(&writer, "Name:");
    bounce_puts(&writer, " ");
    bounce_put_folded(&writer, text, 6, " ");
    end(&writer, expected, strlen(expected));
}

static void folds(void **state)
{
    (void)state;
    folded("a  b ", "Name: a b\n");
    folded("", "Name: \n");
    folded(X10 X10 X10 X10 X10 X10 " 12345678901 x",
           "Name: " X10 X10 X10 X10 X10 X10 " 12345678901\n x\n");
    folded(X10 X10 X10 X10 X10 X10 " 123456789012",
           "Name: " X10 X10 X10 X10 X10 X10 "\n 123456789012\n");
    /* A word longer than a line begins on a line of its own; one longer than 900 is broken. */
    char word[1002], expected[1100] = "Name: \n ";
    memset(word, 'w', 1001);
    word[1001] = 0;
    memset(expected + strlen(expected), 'w', 900);
    strcat(expected, "\n ");
    memset(expected + strlen(expected), 'w', 101);
    strcat(expected, "\n");
    folded(word, expected);
}

static void planned(char const *text, size_t length, uint64_t limit, enum bounce_read result,
                    enum bounce_form form)
{
    char name[] = "/tmp/ekiden-unit-XXXXXX";
    int const descriptor = mkstemp(name);
    struct checksum sum;
    struct bounce_original original;
    assert_true(descriptor >= 0);
    unlink(name);
    assert_int_equal(pwrite(descriptor, text, length, 7), length);
    checksum_start(&sum);
    checksum_add(&sum, text, length);
    struct queue_message const message = {
        .message_offset = 7, .message_length = length, .message_sum = checksum_end(&sum)};
    assert_int_equal(bounce_original_open(&original, descriptor, &message), BOUNCE_READ_OK);
    assert_int_equal(bounce_original_plan(&original, limit, BOUNDARY), result);
    if (result == BOUNCE_READ_OK)
        assert_int_equal(original.form, form);
    close(descriptor);
}

static void a_boundary_in_the_original_is_seen(void **state)
{
    (void)state;
    static struct {
        char const *text;
        uint64_t limit;
        enum bounce_read result;
        enum bounce_form form;
    } const cases[] = {
        {"A: b\n\n--=_b0\n", 1000, BOUNCE_READ_BOUNDARY, BOUNCE_FORM_NONE},
        {"A: b\n\n--=_b0--\n", 1000, BOUNCE_READ_BOUNDARY, BOUNCE_FORM_NONE},
        {"A: b\n\n--=_b0more", 1000, BOUNCE_READ_BOUNDARY, BOUNCE_FORM_NONE},
        {"--=_b0\nA: b\n\n", 1000, BOUNCE_READ_BOUNDARY, BOUNCE_FORM_NONE},
        {"--=_b0\nA: b\n\n", 0, BOUNCE_READ_BOUNDARY, BOUNCE_FORM_NONE},
        {"A: b\n\n--=_b0\n", 0, BOUNCE_READ_OK, BOUNCE_FORM_HEADERS},
        {"A: b\n\n--=_b\n-=_b0\n--=_bb0\n --=_b0\nx--=_b0\n", 1000, BOUNCE_READ_OK,
         BOUNCE_FORM_MESSAGE},
        /* Encoded there is no such line. */
        {"A: b\n\n--=_b0\n\xc3\xbc\n", 1000, BOUNCE_READ_OK, BOUNCE_FORM_GLOBAL},
        {"A: \xc3\xbc\n--=_b0\n\n", 0, BOUNCE_READ_OK, BOUNCE_FORM_GLOBAL_HEADERS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        planned(cases[i].text, strlen(cases[i].text), cases[i].limit, cases[i].result,
                cases[i].form);
}

static void a_boundary_across_two_pieces_is_seen(void **state)
{
    (void)state;
    size_t const size = 2 * BOUNCE_ORIGINAL_LOOK;
    char *const text = malloc(size);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = i % 64 == 63 ? '\n' : 'x';
    memcpy(text, "A: b\n\n", 6);
    planned(text, size, size, BOUNCE_READ_OK, BOUNCE_FORM_MESSAGE);
    memcpy(text + BOUNCE_ORIGINAL_LOOK - 4, "\n--=_b0", 7);
    planned(text, size, size, BOUNCE_READ_BOUNDARY, BOUNCE_FORM_NONE);
    free(text);
}

static void lines_of_7bit(void **state)
{
    (void)state;
    for (size_t length = 998; length <= 999; length++) {
        char text[1010] = "A: b\n\n";
        memset(text + 6, 'x', length);
        text[6 + length] = '\n';
        planned(text, 7 + length, 2000, BOUNCE_READ_OK,
                length == 998 ? BOUNCE_FORM_MESSAGE : BOUNCE_FORM_GLOBAL);
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(quoted_printable),
        cmocka_unit_test(folds),
        cmocka_unit_test(a_boundary_in_the_original_is_seen),
        cmocka_unit_test(a_boundary_across_two_pieces_is_seen),
        cmocka_unit_test(lines_of_7bit),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
