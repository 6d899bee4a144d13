#include "queue/queue_form.h"

#include <stdbool.h>
#include <string.h>

/* The end record, byte for byte: `d` stands for a decimal digit, `x` for a hexadecimal one. */
static char const form[] = "\nend dddddddddddddddddddd dddddddddddddddddddd "
                           "xxxxxxxxxxxxxxxx xxxxxxxxxxxxxxxx\n";
_Static_assert(sizeof form - 1 == QUEUE_END_SIZE, "the end record has its size");

#define LITERALS 5 /* "\nend " */
#define HEAD     5
#define MESSAGE  26
#define HEADSUM  47
#define SUM      64

/* A record of which this many bytes fit was one once: unlike an unfinished message, it is kept. */
#define RECOGNISABLE (QUEUE_END_SIZE * 3 / 4)

static void write_number(char *out, size_t digits, unsigned int base, uint64_t value)
{
    while (digits-- > 0) {
        out[digits] = "0123456789abcdef"[value % base];
        value /= base;
    }
}

void queue_form_end(char end[QUEUE_END_SIZE], uint64_t head, uint64_t message, uint64_t head_sum,
                    uint64_t message_sum)
{
    memcpy(end, form, QUEUE_END_SIZE);
    write_number(end + HEAD, 20, 10, head);
    write_number(end + MESSAGE, 20, 10, message);
    write_number(end + HEADSUM, 16, 16, head_sum);
    write_number(end + SUM, 16, 16, message_sum);
}

static bool fits(char expected, char c)
{
    bool const digit = c >= '0' && c <= '9';
    if (expected == 'd')
        return digit;
    if (expected == 'x')
        return digit || (c >= 'a' && c <= 'f');
    return c == expected;
}

static size_t count_fitting(char const *bytes)
{
    size_t fitting = 0;
    for (size_t i = 0; i < QUEUE_END_SIZE; i++)
        /* 'd' of "end" is the one literal that is also a sign of the form */
        fitting += i < LITERALS ? bytes[i] == form[i] : fits(form[i], bytes[i]);
    return fitting;
}

static bool read_number(char const *digits, size_t count, unsigned int base, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < count; i++) {
        char const c = digits[i];
        uint64_t const digit = (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        if (*value > (UINT64_MAX - digit) / base)
            return false;
        *value = *value * base + digit;
    }
    return true;
}

enum queue_end queue_form_parse_end(char const end[QUEUE_END_SIZE], uint64_t *head,
                                    uint64_t *message, uint64_t *head_sum, uint64_t *message_sum)
{
    size_t const fitting = count_fitting(end);
    if (fitting == QUEUE_END_SIZE)
        return read_number(end + HEAD, 20, 10, head) &&
                       read_number(end + MESSAGE, 20, 10, message) &&
                       read_number(end + HEADSUM, 16, 16, head_sum) &&
                       read_number(end + SUM, 16, 16, message_sum)
                   ? QUEUE_END_VALID
                   : QUEUE_END_DAMAGED;
    if (fitting >= RECOGNISABLE)
        return QUEUE_END_DAMAGED;
    /* cut short: its beginning, followed by digits to the end of the file */
    for (size_t i = 1; i < QUEUE_END_SIZE - LITERALS; i++)
        if (!memcmp(end + i, form, LITERALS)) {
            size_t length = LITERALS;
            while (i + length < QUEUE_END_SIZE && fits(form[length], end[i + length]))
                length++;
            if (i + length == QUEUE_END_SIZE)
                return QUEUE_END_DAMAGED;
        }
    return QUEUE_END_NONE;
}
