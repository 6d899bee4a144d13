/* What a client says to AUTH: any bytes lead to credentials of the form that checkpassword reads,
 * or to none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/sasl.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void check_secret(struct sasl_secret const *secret)
{
    if (secret->hopeless)
        return;
    check(secret->length <= SASL_SECRET_MAX && secret->user_length > 0 &&
          secret->user_length <= SASL_USER_MAX);
    char const *const password = secret->bytes + secret->user_length + 1;
    size_t const rest = secret->length - secret->user_length - 1;
    check(strlen(secret->bytes) == secret->user_length &&
          !memchr(secret->bytes, ':', secret->user_length));
    check(rest > 2 && strnlen(password, rest) == rest - 2 && !password[rest - 1]);
}

/* Decodes what stands at TEXT, in memory that is exactly as long. */
static enum sasl_result decode(struct sasl_bytes *decoded, char const *text, size_t length,
                               bool initial)
{
    char *const copy = malloc(length ? length : 1);
    check(copy != 0);
    memcpy(copy, text, length);
    enum sasl_result const result = sasl_decode(decoded, copy, length, initial);
    free(copy);
    check(result == SASL_OK || result == SASL_CANCELLED || result == SASL_MALFORMED);
    check(decoded->length <= decoded->touched && decoded->touched <= SASL_BYTES_MAX);
    return result;
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size)
{
    static struct sasl_bytes decoded;
    struct sasl_secret secret;
    enum sasl_mechanism mechanism;
    char const *const text = (char const *)bytes, *initial;
    size_t initial_length;
    size_t const line = size ? strnlen(text, size) : 0; /* a NUL divides two lines */
    decoded.touched = 0;
    if (sasl_parse(&mechanism, &initial, &initial_length, text, line) == SASL_OK && initial)
        check(initial + initial_length == text + line && initial_length > 0);
    if (decode(&decoded, text, line, true) == SASL_OK &&
        sasl_take_plain(&secret, &decoded) == SASL_OK)
        check_secret(&secret);
    /* The octets as they are, so that the fuzzer need not find base64. */
    decoded.length = size < SASL_BYTES_MAX ? size : SASL_BYTES_MAX;
    memcpy(decoded.bytes, bytes, decoded.length);
    if (sasl_take_plain(&secret, &decoded) == SASL_OK)
        check_secret(&secret);
    if (decode(&decoded, text, line, false) == SASL_OK &&
        sasl_take_user(&secret, &decoded) == SASL_OK &&
        decode(&decoded, text + line + (line < size), size - line - (line < size), false) ==
            SASL_OK &&
        sasl_take_password(&secret, &decoded) == SASL_OK)
        check_secret(&secret);
    return 0;
}
