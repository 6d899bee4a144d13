#include "tls/key_form.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TAG_INTEGER      0x02
#define TAG_OCTET_STRING 0x04
#define TAG_OID          0x06
#define TAG_SEQUENCE     0x30
#define TAG_PARAMETERS   0xa0 /* [0] of an ECPrivateKey */

#define EXPONENT_MAX 8 /* bytes of the public exponent; everybody's has three */
/* Bytes of a prime and of what is computed with it: half of the largest modulus, and four more
 * because primes need not be equally long. BearSSL has 1536 bytes for five of them. */
#define PRIME_MAX (KEY_RSA_BITS_MAX / 16 + 4)

static unsigned char const oid_rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
static unsigned char const oid_ec[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static unsigned char const oid_p256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static unsigned char const oid_p384[] = {0x2b, 0x81, 0x04, 0x00, 0x22};

/* What is left of a value. */
struct der {
    unsigned char const *bytes;
    size_t length;
};

#define IS_OID(value, oid)                                                                         \
    ((value).length == sizeof(oid) && !memcmp((value).bytes, oid, sizeof(oid)))

/* Takes the next element, whose tag must be TAG, off REST. */
static bool take(struct der *rest, unsigned int tag, struct der *value)
{
    size_t length, header = 2;
    if (rest->length < header || rest->bytes[0] != tag)
        return false;
    length = rest->bytes[1];
    if (length & 0x80) {
        size_t const count = length & 0x7f;
        if (count == 0 || count > 2 || rest->length < header + count)
            return false;
        length = 0;
        for (size_t i = 0; i < count; i++)
            length = length << 8 | rest->bytes[header + i];
        header += count;
    }
    if (length > rest->length - header)
        return false;
    *value = (struct der){rest->bytes + header, length};
    rest->bytes += header + length;
    rest->length -= header + length;
    return true;
}

/* The same for an INTEGER that is not negative, without its leading zeros. */
static bool take_number(struct der *rest, struct der *number)
{
    if (!take(rest, TAG_INTEGER, number) || !number->length || (number->bytes[0] & 0x80))
        return false;
    while (number->length && !number->bytes[0]) {
        number->bytes++;
        number->length--;
    }
    return true;
}

static bool take_version(struct der *rest, unsigned int maximum, unsigned int *version)
{
    struct der number;
    if (!take_number(rest, &number) || number.length > 1)
        return false;
    *version = number.length ? number.bytes[0] : 0;
    return *version <= maximum;
}

static size_t bits(struct der const *number)
{
    size_t count = number->length * 8;
    for (unsigned int first = number->length ? number->bytes[0] : 0x80; !(first & 0x80);
         first <<= 1)
        count--;
    return count;
}

/* Behind the version of an RSAPrivateKey. */
static enum key_form rsa_form(struct der rest)
{
    struct der modulus, number;
    if (!take_number(&rest, &modulus))
        return KEY_FORM_BROKEN;
    if (bits(&modulus) > KEY_RSA_BITS_MAX)
        return KEY_FORM_RSA_LARGE;
    if (bits(&modulus) < KEY_RSA_BITS_MIN)
        return KEY_FORM_RSA_SMALL;
    /* The public exponent, the private one, then primes, exponents, coefficient. */
    for (unsigned int i = 0; i < 7; i++) {
        size_t const maximum = i == 0 ? EXPONENT_MAX : i == 1 ? modulus.length : PRIME_MAX;
        if (!take_number(&rest, &number) || !number.length)
            return KEY_FORM_BROKEN;
        if (number.length > maximum)
            return KEY_FORM_RSA_LARGE;
    }
    return rest.length ? KEY_FORM_OTHER_KIND : KEY_FORM_RSA;
}

/* Bytes of a private number on the curve of OID; 0 for another curve. */
static size_t curve_size(struct der const *oid)
{
    return IS_OID(*oid, oid_p256) ? 32 : IS_OID(*oid, oid_p384) ? 48 : 0;
}

/* Behind the version of an ECPrivateKey. SIZE is the curve's, 0 when it is not yet known. */
static enum key_form ec_form(struct der rest, size_t size)
{
    struct der number, parameters, oid;
    if (!take(&rest, TAG_OCTET_STRING, &number) || !number.length)
        return KEY_FORM_BROKEN;
    if (take(&rest, TAG_PARAMETERS, &parameters)) {
        if (!take(&parameters, TAG_OID, &oid) || !curve_size(&oid))
            return KEY_FORM_OTHER_CURVE;
        if (size && size != curve_size(&oid))
            return KEY_FORM_BROKEN;
        size = curve_size(&oid);
    }
    return size && number.length <= size ? KEY_FORM_EC : KEY_FORM_BROKEN;
}

/* Behind the version of a PKCS#8 key, whose ALGORITHM has been taken off. */
static enum key_form wrapped_form(struct der rest, struct der algorithm)
{
    struct der oid, curve, value, key;
    unsigned int version;
    size_t size = 0;
    if (!take(&algorithm, TAG_OID, &oid) || !take(&rest, TAG_OCTET_STRING, &value))
        return KEY_FORM_BROKEN;
    bool const rsa = IS_OID(oid, oid_rsa);
    if (!rsa && !IS_OID(oid, oid_ec))
        return KEY_FORM_OTHER_KIND;
    if (!rsa && algorithm.length) {
        size = take(&algorithm, TAG_OID, &curve) ? curve_size(&curve) : 0;
        if (!size)
            return KEY_FORM_OTHER_CURVE;
    }
    if (!take(&value, TAG_SEQUENCE, &key) || value.length || !take_version(&key, 1, &version))
        return KEY_FORM_BROKEN;
    if (rsa)
        return version == 0 ? rsa_form(key) : KEY_FORM_OTHER_KIND;
    return version == 1 ? ec_form(key, size) : KEY_FORM_BROKEN;
}

enum key_form key_form(unsigned char const *bytes, size_t length)
{
    struct der rest = {bytes, length}, key, algorithm, first;
    unsigned int version;
    if (!take(&rest, TAG_SEQUENCE, &key) || rest.length)
        return KEY_FORM_BROKEN;
    first = key;
    if (take(&first, TAG_SEQUENCE, &algorithm)) /* EncryptedPrivateKeyInfo has no version */
        return KEY_FORM_ENCRYPTED;
    if (!take_version(&key, 1, &version))
        return KEY_FORM_BROKEN;
    if (take(&key, TAG_SEQUENCE, &algorithm))
        return wrapped_form(key, algorithm);
    if (key.length && key.bytes[0] == TAG_INTEGER)
        return version == 0 ? rsa_form(key) : KEY_FORM_OTHER_KIND;
    return version == 1 ? ec_form(key, 0) : KEY_FORM_BROKEN;
}
