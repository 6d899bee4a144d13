#include "lib/srs.h"

#include <string.h>

#include "lib/base64.h"

#define TAG_LENGTH  5 /* SRS0= */
#define TIME_LENGTH 2
#define TIME_DAYS   1024 /* the clock of two digits goes round in so many */
#define DAY_SECONDS 86400
#define TEXT_MAX    (ADDRESS_PATH_MAX - 2)
#define BASE64_SIZE BASE64_ENCODED(SECRET_SUM_SIZE)
#define HASH_MAX    (BASE64_SIZE - 1) /* the last one is a `=` */

static char const digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static void make_hash(char hash[BASE64_SIZE], char const *key, struct secret_part const *parts,
                      size_t count)
{
    unsigned char sum[SECRET_SUM_SIZE];
    secret_sum(sum, key, parts, count);
    base64_encode(hash, sum, sizeof sum);
}

/* Without regard to case, which mail systems on the way may have changed; in a time that says
 * nothing of how much is right. */
static bool is_signed(struct secret_part const *given, char const *key,
                      struct secret_part const *parts, size_t count)
{
    char hash[BASE64_SIZE];
    unsigned int difference = 0;
    make_hash(hash, key, parts, count);
    for (size_t i = 0; i < given->length; i++)
        difference |= (unsigned int)(secret_lower(hash[i]) ^ secret_lower(given->bytes[i]));
    return difference == 0;
}

static bool is_signed_by_any(struct secret_part const *given, struct secret_keys const *keys,
                             struct secret_part const *parts, size_t count)
{
    bool found = false;
    if (given->length < SRS_HASH_LENGTH || given->length > HASH_MAX)
        return false;
    for (size_t at = 0; at < keys->size; at += strlen(keys->bytes + at) + 1)
        found |= is_signed(given, keys->bytes + at, parts, count);
    return found;
}

static unsigned int day_of(time_t now)
{
    return (unsigned int)(now / DAY_SECONDS % TIME_DAYS);
}

/* The value of a digit of either case; -1: it is none. */
static int digit_value(char byte)
{
    unsigned char const low = secret_lower(byte);
    if (low >= 'a' && low <= 'z')
        return low - 'a';
    return low >= '2' && low <= '7' ? low - '2' + 26 : -1;
}

static bool is_time(struct secret_part const *part)
{
    return part->length == TIME_LENGTH && digit_value(part->bytes[0]) >= 0 &&
           digit_value(part->bytes[1]) >= 0;
}

static bool is_current(struct secret_part const *time, time_t now)
{
    unsigned int const day =
        (unsigned int)(digit_value(time->bytes[0]) * 32 + digit_value(time->bytes[1]));
    unsigned int const age = (day_of(now) + SRS_DAYS_BEFORE + TIME_DAYS - day) % TIME_DAYS;
    return age <= SRS_DAYS + SRS_DAYS_BEFORE;
}

/* Takes what stands before the next `=` out of *rest. False: there is none. */
static bool take_part(struct secret_part *rest, struct secret_part *part)
{
    char const *const sign = memchr(rest->bytes, '=', rest->length);
    if (!sign)
        return false;
    *part = (struct secret_part){.bytes = rest->bytes, .length = (size_t)(sign - rest->bytes)};
    rest->length -= part->length + 1;
    rest->bytes = sign + 1;
    return true;
}

static bool is_host(struct secret_part const *part)
{
    return address_is_domain(part->bytes, part->length, true);
}

/* The text that is made; nothing is added once it is too long. */
struct text {
    char *bytes;
    size_t length;
    bool too_long;
};

static void add(struct text *text, char const *bytes, size_t length)
{
    text->too_long |= length > TEXT_MAX - text->length;
    if (text->too_long)
        return;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static void add_part(struct text *text, struct secret_part const *part)
{
    add(text, part->bytes, part->length);
}

static bool finish(struct text *text, char const *domain, size_t length)
{
    add(text, "@", 1);
    add(text, domain, length);
    text->bytes[text->length] = 0;
    return !text->too_long;
}

/* TAG, the hash of PARTS, and PARTS with a `=` before each. */
static bool compose(char out[SRS_SIZE], char const *tag, struct secret_keys const *keys,
                    struct secret_part const *parts, size_t count, char const *domain)
{
    struct text text = {.bytes = out};
    char hash[BASE64_SIZE];
    make_hash(hash, keys->bytes, parts, count);
    add(&text, tag, TAG_LENGTH);
    add(&text, hash, SRS_HASH_LENGTH);
    for (size_t i = 0; i < count; i++) {
        add(&text, "=", 1);
        add_part(&text, parts + i);
    }
    return finish(&text, domain, strlen(domain));
}

/* Cuts what somebody else has rewritten into the host that made its SRS0, and what is behind `SRS0`
 * there, the separator included. False where it only looks so: it is then rewritten as any other.
 */
static bool find_first(struct secret_part const *local, struct secret_part const *host,
                       struct secret_part parts[2])
{
    struct secret_part rest = {.bytes = local->bytes + TAG_LENGTH,
                               .length = local->length - TAG_LENGTH};
    struct secret_part hash;
    if (local->bytes[3] == '0') {
        parts[0] = *host;
        parts[1] = (struct secret_part){.bytes = rest.bytes - 1, .length = rest.length + 1};
        return true;
    }
    if (!take_part(&rest, &hash) || !take_part(&rest, &parts[0]) || rest.length == 0)
        return false;
    parts[1] = rest;
    return is_host(&parts[0]);
}

bool srs_forward(char out[SRS_SIZE], struct secret_keys const *keys, char const *sender,
                 char const *domain, time_t now)
{
    unsigned int const day = day_of(now);
    char const time[TIME_LENGTH] = {digits[day / 32], digits[day % 32]};
    size_t const length = strlen(sender);
    char const *const at = memrchr(sender, '@', length);
    struct secret_part parts[3];
    if (keys->size == 0 || !at || at == sender)
        return false;
    struct secret_part const local = {.bytes = sender, .length = (size_t)(at - sender)};
    struct secret_part const host = {.bytes = at + 1, .length = length - local.length - 1};
    if (!is_host(&host))
        return false;
    if (address_is_rewritten(local.bytes, local.length) && find_first(&local, &host, parts))
        return compose(out, "SRS1=", keys, parts, 2, domain);
    parts[0] = (struct secret_part){.bytes = time, .length = sizeof time};
    parts[1] = host;
    parts[2] = local;
    return compose(out, "SRS0=", keys, parts, 3, domain);
}

static enum srs_result reverse_user(struct text *text, struct secret_keys const *keys,
                                    struct secret_part *rest, time_t now)
{
    struct secret_part hash, parts[3];
    if (!take_part(rest, &hash) || !take_part(rest, &parts[0]) || !is_time(&parts[0]) ||
        !take_part(rest, &parts[1]) || !is_host(&parts[1]) || rest->length == 0)
        return SRS_FORM;
    parts[2] = *rest;
    if (!is_signed_by_any(&hash, keys, parts, 3))
        return SRS_FORGED;
    if (!is_current(&parts[0], now))
        return SRS_EXPIRED;
    add_part(text, &parts[2]);
    return finish(text, parts[1].bytes, parts[1].length) ? SRS_OK : SRS_FORM;
}

/* It has no time of its own: the host that made the SRS0 judges that. */
static enum srs_result reverse_first(struct text *text, struct secret_keys const *keys,
                                     struct secret_part *rest)
{
    struct secret_part hash, parts[2];
    if (!take_part(rest, &hash) || !take_part(rest, &parts[0]) || !is_host(&parts[0]) ||
        rest->length == 0)
        return SRS_FORM;
    parts[1] = *rest;
    if (!is_signed_by_any(&hash, keys, parts, 2))
        return SRS_FORGED;
    add(text, "SRS0", 4);
    add_part(text, &parts[1]);
    return finish(text, parts[0].bytes, parts[0].length) ? SRS_OK : SRS_FORM;
}

enum srs_result srs_reverse(char out[SRS_SIZE], struct secret_keys const *keys, char const *local,
                            size_t length, time_t now)
{
    struct text text = {.bytes = out};
    struct secret_part rest = {.bytes = local + TAG_LENGTH, .length = length - TAG_LENGTH};
    if (!address_is_rewritten(local, length))
        return SRS_FORM;
    return local[3] == '0' ? reverse_user(&text, keys, &rest, now)
                           : reverse_first(&text, keys, &rest);
}
