#include "smtpd/sasl.h"

#include <string.h>

#include <skalibs/bytestr.h>

static char const *const mechanisms[] = {[SASL_PLAIN] = "PLAIN", [SASL_LOGIN] = "LOGIN"};

char const *sasl_mechanism_name(enum sasl_mechanism mechanism)
{
    return mechanisms[mechanism];
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

enum sasl_result sasl_parse(enum sasl_mechanism *mechanism, char const **initial,
                            size_t *initial_length, char const *argument, size_t length)
{
    size_t word = 0;
    while (word < length && !is_blank(argument[word]))
        word++;
    size_t rest = word;
    while (rest < length && is_blank(argument[rest]))
        rest++;
    *initial = rest < length ? argument + rest : 0;
    *initial_length = length - rest;
    if (word == 0)
        return SASL_NO_MECHANISM;
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
        if (word == strlen(mechanisms[i]) && case_equalb(argument, word, mechanisms[i])) {
            *mechanism = (enum sasl_mechanism)i;
            return SASL_OK;
        }
    return SASL_UNKNOWN;
}

enum sasl_result sasl_decode(struct sasl_bytes *decoded, char const *line, size_t length,
                             bool initial)
{
    size_t const size = BASE64_DECODED_MAX(length);
    decoded->length = 0;
    if (length == 1 && line[0] == '*')
        return SASL_CANCELLED;
    if (initial && length == 1 && line[0] == '=')
        return SASL_OK;
    if (size > SASL_BYTES_MAX)
        return SASL_MALFORMED;
    if (decoded->touched < size)
        decoded->touched = size;
    return base64_decode(decoded->bytes, &decoded->length, line, length) ? SASL_OK : SASL_MALFORMED;
}

void sasl_wipe(struct sasl_bytes *decoded)
{
    explicit_bzero(decoded->bytes, decoded->touched);
}

/* A field and its NUL. */
static void add(struct sasl_secret *secret, void const *bytes, size_t length)
{
    if (secret->hopeless || length >= SASL_SECRET_MAX - secret->length) {
        secret->hopeless = true;
        return;
    }
    memcpy(secret->bytes + secret->length, bytes, length);
    secret->length += length;
    secret->bytes[secret->length++] = 0;
}

/* Names are compared in lower case everywhere; a colon divides them from what a file says of them.
 */
static void set_user(struct sasl_secret *secret, unsigned char const *user, size_t length)
{
    secret->length = 0;
    secret->user_length = length;
    secret->hopeless = length == 0 || length > SASL_USER_MAX;
    add(secret, user, length);
    case_lowerb(secret->bytes, secret->length);
    if (memchr(user, ':', length))
        secret->hopeless = true;
}

static void set_password(struct sasl_secret *secret, unsigned char const *password, size_t length)
{
    if (length == 0)
        secret->hopeless = true;
    add(secret, password, length);
    add(secret, "", 0);
}

enum sasl_result sasl_take_plain(struct sasl_secret *secret, struct sasl_bytes const *decoded)
{
    unsigned char const *const identity = decoded->bytes;
    unsigned char const *const end = identity + decoded->length;
    unsigned char const *const first = memchr(identity, 0, decoded->length);
    unsigned char const *const user = first ? first + 1 : end;
    unsigned char const *const second = memchr(user, 0, (size_t)(end - user));
    unsigned char const *const password = second ? second + 1 : end;
    if (!second || memchr(password, 0, (size_t)(end - password)))
        return SASL_MALFORMED;
    size_t const identity_length = (size_t)(first - identity);
    size_t const user_length = (size_t)(second - user);
    set_user(secret, user, user_length);
    set_password(secret, password, (size_t)(end - password));
    /* Nobody acts for another here: to ask for it fails as a wrong password does. */
    if (identity_length > 0 &&
        (identity_length != user_length ||
         case_diffb((char const *)identity, identity_length, (char const *)user) != 0))
        secret->hopeless = true;
    return SASL_OK;
}

enum sasl_result sasl_take_user(struct sasl_secret *secret, struct sasl_bytes const *decoded)
{
    if (memchr(decoded->bytes, 0, decoded->length))
        return SASL_MALFORMED;
    set_user(secret, decoded->bytes, decoded->length);
    return SASL_OK;
}

enum sasl_result sasl_take_password(struct sasl_secret *secret, struct sasl_bytes const *decoded)
{
    if (memchr(decoded->bytes, 0, decoded->length))
        return SASL_MALFORMED;
    set_password(secret, decoded->bytes, decoded->length);
    return SASL_OK;
}
