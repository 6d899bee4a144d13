#include "queue/bounce_writer.h"

#include <string.h>

#include <skalibs/types.h>

#define ENCODED_LINE_MAX 76
#define WORD_MAX         900 /* bytes: a longer one is broken, RFC 5322 2.1.1 allows 998 */

void bounce_writer_start(struct bounce_writer *writer, struct queue_file *file)
{
    *writer = (struct bounce_writer){.file = file};
}

static void put_raw(struct bounce_writer *writer, char const *bytes, size_t length)
{
    queue_file_message(writer->file, bytes, length);
    writer->written += length;
}

/* Writes what stands for one character; a soft line break before it where it does not fit. */
static void put_token(struct bounce_writer *writer, char const *token, size_t length)
{
    if (writer->column + length >= ENCODED_LINE_MAX) {
        put_raw(writer, "=\n", 2);
        writer->column = 0;
    }
    put_raw(writer, token, length);
    writer->column += length;
}

static void put_hexadecimal(struct bounce_writer *writer, char byte)
{
    static char const digits[] = "0123456789ABCDEF";
    unsigned char const value = (unsigned char)byte;
    char const token[3] = {'=', digits[value >> 4], digits[value & 15]};
    put_token(writer, token, sizeof token);
}

/* A blank at the end of a line is encoded; in all other places it stands for itself. */
static void release_blank(struct bounce_writer *writer, bool at_end)
{
    if (writer->blank && at_end)
        put_hexadecimal(writer, writer->blank);
    else if (writer->blank)
        put_token(writer, &writer->blank, 1);
    writer->blank = 0;
}

static void put_encoded(struct bounce_writer *writer, char byte)
{
    release_blank(writer, byte == '\n');
    if (byte == '\n') {
        put_raw(writer, "\n", 1);
        writer->column = 0;
    } else if (byte == ' ' || byte == '\t') {
        writer->blank = byte;
    } else if (byte > ' ' && byte <= '~' && byte != '=') {
        put_token(writer, &byte, 1);
    } else {
        put_hexadecimal(writer, byte);
    }
}

void bounce_writer_encode(struct bounce_writer *writer, bool encoding)
{
    release_blank(writer, true);
    writer->encoding = encoding;
    writer->column = 0;
}

void bounce_put(struct bounce_writer *writer, char const *bytes, size_t length)
{
    if (!writer->encoding)
        put_raw(writer, bytes, length);
    else
        for (size_t i = 0; i < length; i++)
            put_encoded(writer, bytes[i]);
}

void bounce_puts(struct bounce_writer *writer, char const *text)
{
    bounce_put(writer, text, strlen(text));
}

void bounce_put_number(struct bounce_writer *writer, uint64_t value)
{
    char digits[UINT64_FMT];
    bounce_put(writer, digits, uint64_fmt(digits, value));
}

/* Bytes of the next word; at most WORD_MAX, without cutting a character of UTF-8 in two. */
static size_t word_length(char const *text)
{
    size_t length = strcspn(text, " ");
    if (length > WORD_MAX) {
        length = WORD_MAX;
        while (length > 1 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    return length;
}

void bounce_put_folded(struct bounce_writer *writer, char const *text, size_t column,
                       char const *indent)
{
    size_t const indent_length = strlen(indent);
    bool first = true; /* of its line */
    text += strspn(text, " ");
    while (*text) {
        size_t const length = word_length(text);
        if (column + !first + length > BOUNCE_LINE_BEST && column > indent_length) {
            bounce_puts(writer, "\n");
            bounce_puts(writer, indent);
            column = indent_length;
        } else if (!first) {
            bounce_puts(writer, " ");
            column++;
        }
        bounce_put(writer, text, length);
        column += length;
        first = false;
        text += length;
        text += strspn(text, " ");
    }
    bounce_puts(writer, "\n");
}
