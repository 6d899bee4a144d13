#include "lib/dsn.h"

#include <stdio.h>
#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/utf8.h"

#define UTF8_TYPE "utf-8"

static int digit(unsigned char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* RFC 5322 3.2.3 without `=` and `+`, which would be xtext's. */
static bool is_type_byte(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte && strchr("!#$%&'*-/?^_`{|}~.", byte));
}

void dsn_check_start(struct dsn_check *check, bool orcpt)
{
    *check = (struct dsn_check){.orcpt = orcpt, .utf8 = orcpt};
}

/* UTF8 stays set as long as the type is a beginning of `utf-8`. */
static bool check_type(struct dsn_check *check, unsigned char byte)
{
    if (byte == ';') {
        check->typed = true;
        check->utf8 = check->utf8 && check->type_length == sizeof UTF8_TYPE - 1;
        return check->type_length > 0;
    }
    char const letter = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
    check->utf8 = check->utf8 && check->type_length < sizeof UTF8_TYPE - 1 &&
                  UTF8_TYPE[check->type_length] == letter;
    check->type_length++;
    return is_type_byte(byte);
}

/* RFC 3461 4: the decoded value goes into a header field, so no control character may hide there.
 * Postfix writes octets beyond ASCII so, with the type rfc822: that is against the RFC, but nothing
 * to refuse the mail for. */
static bool check_digit(struct dsn_check *check, unsigned char byte)
{
    int const value = digit(byte);
    check->value = check->value << 4 | (unsigned int)(value & 15);
    return value >= 0 && (--check->digits > 0 || check->value == '\t' ||
                          (check->value >= ' ' && check->value != 0x7f));
}

bool dsn_check_byte(struct dsn_check *check, unsigned char byte)
{
    if (check->orcpt && !check->typed)
        return check_type(check, byte);
    check->length++;
    if (check->digits)
        return check_digit(check, byte);
    if (byte == '+') {
        check->digits = 2;
        check->value = 0;
        return true;
    }
    return byte >= 0x80 ? check->utf8 : byte > ' ' && byte <= '~' && byte != '=';
}

bool dsn_check_end(struct dsn_check const *check)
{
    return check->length > 0 && check->digits == 0;
}

static bool is_value(char const *text, size_t length, bool orcpt, size_t most)
{
    struct dsn_check check;
    dsn_check_start(&check, orcpt);
    if (length > most)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!dsn_check_byte(&check, (unsigned char)text[i]))
            return false;
    return dsn_check_end(&check);
}

bool dsn_is_envid(char const *text, size_t length)
{
    return is_value(text, length, false, DSN_ENVID_MAX);
}

bool dsn_is_orcpt(char const *text, size_t length)
{
    return is_value(text, length, true, DSN_ORCPT_MAX);
}

static struct {
    char const *word;
    unsigned int bit;
} const words[] = {
    {"NEVER", DSN_NEVER}, {"SUCCESS", DSN_SUCCESS}, {"FAILURE", DSN_FAILURE}, {"DELAY", DSN_DELAY}};

static unsigned int word_bit(char const *text, size_t length)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (length == strlen(words[i].word) && case_equalb(text, length, words[i].word))
            return words[i].bit;
    return 0;
}

unsigned int dsn_parse_notify(char const *text, size_t length)
{
    unsigned int bits = 0;
    for (;;) {
        char const *const comma = memchr(text, ',', length);
        size_t const size = comma ? (size_t)(comma - text) : length;
        unsigned int const bit = word_bit(text, size);
        if (!bit || bits & bit || bits & DSN_NEVER || (bits && bit == DSN_NEVER))
            return 0;
        bits |= bit;
        if (!comma)
            return bits;
        text = comma + 1;
        length -= size + 1;
    }
}

static struct {
    char const *value, *letters;
} const notifies[] = {
    [0] = {"", ""},
    [DSN_NEVER] = {"NEVER", "N"},
    [DSN_SUCCESS] = {"SUCCESS", "S"},
    [DSN_FAILURE] = {"FAILURE", "F"},
    [DSN_SUCCESS | DSN_FAILURE] = {"SUCCESS,FAILURE", "SF"},
    [DSN_DELAY] = {"DELAY", "D"},
    [DSN_SUCCESS | DSN_DELAY] = {"SUCCESS,DELAY", "SD"},
    [DSN_FAILURE | DSN_DELAY] = {"FAILURE,DELAY", "FD"},
    [DSN_SUCCESS | DSN_FAILURE | DSN_DELAY] = {"SUCCESS,FAILURE,DELAY", "SFD"},
};

#define NOTIFIES (sizeof notifies / sizeof *notifies)

char const *dsn_notify_value(unsigned int bits)
{
    return notifies[bits].value;
}

char const *dsn_notify_letters(unsigned int bits)
{
    return notifies[bits].letters;
}

unsigned int dsn_notify_bits(char const *letters, size_t length)
{
    for (unsigned int bits = 1; bits < NOTIFIES; bits++)
        if (notifies[bits].letters && strlen(notifies[bits].letters) == length &&
            !memcmp(notifies[bits].letters, letters, length))
            return bits;
    return 0;
}

void dsn_decode(char *out, char const *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        int octet = 0;
        if (text[i] == '+' && i + 2 < length)
            octet = (digit((unsigned char)text[i + 1]) & 15) << 4 |
                    (digit((unsigned char)text[i + 2]) & 15);
        if (octet > 0 && octet < 0x80)
            i += 2;
        else
            octet = (unsigned char)text[i];
        *out++ = (char)octet;
    }
    *out = 0;
}

static unsigned long code_point(char const *text, size_t size)
{
    unsigned char const first = (unsigned char)text[0];
    unsigned long value = size == 1 ? first : first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        value = value << 6 | ((unsigned char)text[i] & 0x3fu);
    return value;
}

bool dsn_orcpt_ascii(char out[DSN_ORCPT_MAX + 1], char const *orcpt)
{
    size_t const length = strlen(orcpt);
    size_t used = 0, size;
    for (size_t i = 0; i < length; i += size) {
        char escape[sizeof "\\x{10FFFF}"];
        size = utf8_next(orcpt + i, length - i);
        if (size == 0)
            return false;
        int const made = size == 1 ? snprintf(escape, sizeof escape, "%c", orcpt[i])
                                   : snprintf(escape, sizeof escape, "\\x{%lX}",
                                              code_point(orcpt + i, size) & 0x1fffff);
        if (used + (size_t)made > DSN_ORCPT_MAX)
            return false;
        memcpy(out + used, escape, (size_t)made);
        used += (size_t)made;
    }
    out[used] = 0;
    return true;
}
