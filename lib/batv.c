#include "lib/batv.h"

#include <string.h>

#include <skalibs/bytestr.h>

#define PREFIX        "prvs="
#define PREFIX_LENGTH (sizeof PREFIX - 1)
#define STAMP_LENGTH  4 /* K and DDD */
#define OCTETS        3 /* of the sum */
#define CLOCK_DAYS    1000
#define DAY_SECONDS   86400

static char const digits[] = "0123456789abcdef";

/* The local part's length; 0 without a `@`. */
static size_t find_local(char const *address, size_t length)
{
    char const *const at = memrchr(address, '@', length);
    return at ? (size_t)(at - address) : 0;
}

bool batv_fits(char const *address, size_t length)
{
    size_t const local = find_local(address, length);
    return local > 0 && local + BATV_TAG_LENGTH <= ADDRESS_LOCAL_MAX &&
           length + BATV_TAG_LENGTH <= ADDRESS_PATH_MAX - 2 && !memchr(address, '=', local) &&
           address_is_domain(address + local + 1, length - local - 1, true);
}

bool batv_is_tagged(char const *local, size_t length)
{
    return length >= PREFIX_LENGTH && case_diffb(local, PREFIX_LENGTH, PREFIX) == 0;
}

static unsigned int day_of(time_t now)
{
    return (unsigned int)(now / DAY_SECONDS % CLOCK_DAYS);
}

/* Writes the digits of the signature of ADDRESS by KEY for STAMP. */
static void make_digits(char out[2 * OCTETS], char const *key, char const *stamp,
                        char const *address, size_t length)
{
    unsigned char sum[SECRET_SUM_SIZE];
    struct secret_part const parts[] = {{stamp, STAMP_LENGTH}, {address, length}};
    secret_sum(sum, key, parts, 2);
    for (size_t i = 0; i < OCTETS; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
}

void batv_sign(char out[BATV_SIZE], struct secret_keys const *keys, char const *address,
               size_t length, time_t now)
{
    unsigned int const day = (day_of(now) + BATV_DAYS) % CLOCK_DAYS;
    char *const stamp = out + PREFIX_LENGTH;
    memcpy(out, PREFIX, PREFIX_LENGTH);
    stamp[0] = '0';
    stamp[1] = digits[day / 100];
    stamp[2] = digits[day / 10 % 10];
    stamp[3] = digits[day % 10];
    make_digits(stamp + STAMP_LENGTH, keys->bytes, stamp, address, length);
    out[BATV_TAG_LENGTH - 1] = '=';
    memcpy(out + BATV_TAG_LENGTH, address, length);
    out[BATV_TAG_LENGTH + length] = 0;
}

static bool is_tag(char const *tag)
{
    for (size_t i = PREFIX_LENGTH; i < BATV_TAG_LENGTH - 1; i++) {
        unsigned char const byte = secret_lower(tag[i]);
        bool const is_digit = byte >= '0' && byte <= '9';
        if (!is_digit && (i < PREFIX_LENGTH + STAMP_LENGTH || byte < 'a' || byte > 'f'))
            return false;
    }
    return tag[BATV_TAG_LENGTH - 1] == '=';
}

/* In a time that says nothing of how much is right. */
static bool is_signed(char const *key, char const *stamp, char const *address, size_t length)
{
    char const *const given = stamp + STAMP_LENGTH;
    char made[2 * OCTETS];
    unsigned int difference = 0;
    make_digits(made, key, stamp, address, length);
    for (size_t i = 0; i < sizeof made; i++)
        difference |= (unsigned int)((unsigned char)made[i] ^ secret_lower(given[i]));
    return difference == 0;
}

static bool is_current(char const *day, time_t now)
{
    unsigned int const ends =
        (unsigned int)((day[0] - '0') * 100 + (day[1] - '0') * 10 + (day[2] - '0'));
    return (ends + CLOCK_DAYS - day_of(now)) % CLOCK_DAYS <= BATV_DAYS + BATV_DAYS_BEFORE;
}

bool batv_has_form(char const *address, size_t length)
{
    size_t const local = find_local(address, length);
    return local > BATV_TAG_LENGTH && batv_is_tagged(address, local) && is_tag(address);
}

enum batv_result batv_check(struct secret_keys const *keys, char const *address, size_t length,
                            time_t now)
{
    char const *const stamp = address + PREFIX_LENGTH;
    bool found = false;
    if (!batv_has_form(address, length))
        return BATV_FORM;
    for (size_t at = 0; at < keys->size; at += strlen(keys->bytes + at) + 1)
        found |=
            is_signed(keys->bytes + at, stamp, address + BATV_TAG_LENGTH, length - BATV_TAG_LENGTH);
    if (!found)
        return BATV_FORGED;
    return is_current(stamp + 1, now) ? BATV_OK : BATV_EXPIRED;
}
