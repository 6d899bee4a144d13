#include "tls/key_input.h"

#include <bearssl.h>

#define RANDOMS            64
#define PARAMETERS         4 /* type of curve, curve, length of the point */
#define NAMED_CURVE        3
#define POINT_UNCOMPRESSED 4

_Static_assert(KEY_INPUT_MAX == RANDOMS + PARAMETERS + 97, "P-384 has the longest point");

static struct curve {
    unsigned int number;
    size_t point;
    bool has_form; /* a first byte that says that the point is uncompressed */
} const curves[] = {
    {BR_EC_curve25519, 32, false},
    {BR_EC_secp256r1, 65, true},
    {BR_EC_secp384r1, 97, true},
};

bool key_input_is_exchange(unsigned char const *bytes, size_t length)
{
    if (length < RANDOMS + PARAMETERS + 1)
        return false;
    unsigned char const *const parameters = bytes + RANDOMS;
    unsigned int const number = (unsigned int)parameters[1] << 8 | parameters[2];
    if (parameters[0] != NAMED_CURVE)
        return false;
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        if (curves[i].number == number)
            return parameters[3] == curves[i].point &&
                   length == RANDOMS + PARAMETERS + curves[i].point &&
                   (!curves[i].has_form || parameters[PARAMETERS] == POINT_UNCOMPRESSED);
    return false;
}

int key_input_hash(unsigned int algorithm, enum key_type type)
{
    unsigned int const hash = algorithm >> 8;
    if ((algorithm & 0xff) != (unsigned int)type)
        return 0;
    return hash == br_sha256_ID || hash == br_sha384_ID || hash == br_sha512_ID ? (int)hash : 0;
}
