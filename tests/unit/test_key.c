/* What the key process decides by form alone: folders of names, exchanges that may be signed, PEM,
 * private keys before they are decoded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bearssl.h>

#include "tls/key_folder.h"
#include "tls/key_form.h"
#include "tls/key_input.h"
#include "tls/key_pem.h"

/* --- folders --- */

static void assert_folders(char const *name, size_t length, char const *own, char const *wildcard)
{
    struct key_folders folders;
    size_t i = 0;
    key_folders_find(&folders, name, length);
    if (own)
        assert_string_equal(folders.names[i++], own);
    if (wildcard)
        assert_string_equal(folders.names[i++], wildcard);
    assert_string_equal(folders.names[i++], "default");
    assert_int_equal(folders.count, i);
}

#define FOLDERS(name, own, wildcard) assert_folders(name, sizeof(name) - 1, own, wildcard)

static void test_names_have_their_folder_and_their_parents(void **state)
{
    (void)state;
    FOLDERS("mx.example.com", "mx.example.com", "_.example.com");
    FOLDERS("MX.Example.COM", "mx.example.com", "_.example.com");
    FOLDERS("example", "example", NULL);
    FOLDERS("a_b.x-y.example", "a_b.x-y.example", "_.x-y.example");
    FOLDERS("192.0.2.1", "192.0.2.1", "_.0.2.1");
    FOLDERS("default", "default", NULL);
}

static void test_what_is_no_name_asks_for_nothing(void **state)
{
    (void)state;
    FOLDERS("", NULL, NULL);
    FOLDERS(".", NULL, NULL);
    FOLDERS("..", NULL, NULL);
    FOLDERS("a..b", NULL, NULL);
    FOLDERS(".a", NULL, NULL);
    FOLDERS("a.", NULL, NULL);
    FOLDERS("../../etc/shadow", NULL, NULL);
    FOLDERS("a/b", NULL, NULL);
    FOLDERS("a\\b", NULL, NULL);
    FOLDERS("a.example\\", NULL, NULL);
    FOLDERS("a b", NULL, NULL);
    FOLDERS("a\0b", NULL, NULL);
    FOLDERS("a.example\0", NULL, NULL);
    FOLDERS("m\xc3\xbc.example", NULL, NULL);
    FOLDERS("*.example", NULL, NULL);
    FOLDERS("_.example", NULL, NULL);
    FOLDERS("a._.example", NULL, NULL);
    FOLDERS("[::1]", NULL, NULL);
    FOLDERS("2001:db8::1", NULL, NULL);
}

static void test_lengths_of_names(void **state)
{
    char name[256], wildcard[256];
    (void)state;
    memset(name, 'a', sizeof name);
    for (size_t i = 63; i < sizeof name; i += 64)
        name[i] = '.';
    name[253] = 0;
    wildcard[0] = '_';
    memcpy(wildcard + 1, name + 63, 253 - 63 + 1);
    assert_folders(name, 253, name, wildcard);
    name[253] = 'a';
    assert_folders(name, 254, NULL, NULL);
    assert_folders(name, 255, NULL, NULL);
    memset(name, 'b', 64);
    assert_folders(name, 64, NULL, NULL); /* a label of 64 */
    name[63] = 0;
    assert_folders(name, 63, name, NULL);
}

/* --- exchanges --- */

static size_t make_exchange(unsigned char bytes[KEY_INPUT_MAX + 1], unsigned int curve,
                            size_t point)
{
    memset(bytes, 4, KEY_INPUT_MAX + 1); /* 4: also the form of a point */
    bytes[64] = 3;
    bytes[65] = (unsigned char)(curve >> 8);
    bytes[66] = (unsigned char)curve;
    bytes[67] = (unsigned char)point;
    return 68 + point;
}

static void test_exchanges_on_the_three_curves_are_signed(void **state)
{
    unsigned char bytes[KEY_INPUT_MAX + 1];
    (void)state;
    assert_true(key_input_is_exchange(bytes, make_exchange(bytes, 29, 32)));
    assert_true(key_input_is_exchange(bytes, make_exchange(bytes, 23, 65)));
    assert_true(key_input_is_exchange(bytes, make_exchange(bytes, 24, 97)));
}

static void test_nothing_else_is_signed(void **state)
{
    unsigned char bytes[KEY_INPUT_MAX + 1];
    (void)state;
    size_t const length = make_exchange(bytes, 23, 65);
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_true(key_input_is_exchange(bytes, i) == (i == length));
    for (unsigned int type = 0; type < 256; type++) {
        bytes[64] = (unsigned char)type; /* explicit curves */
        assert_true(key_input_is_exchange(bytes, length) == (type == 3));
    }
    bytes[64] = 3;
    for (unsigned int form = 0; form < 256; form++) {
        bytes[68] = (unsigned char)form;
        assert_true(key_input_is_exchange(bytes, length) == (form == 4));
    }
    assert_false(key_input_is_exchange(bytes, make_exchange(bytes, 25, 133)));
    static size_t const points[] = {1, 32, 33, 65, 66, 97};
    for (unsigned int curve = 0; curve < 0x10000; curve++)
        for (size_t i = 0; i < sizeof points / sizeof *points; i++)
            assert_true(key_input_is_exchange(bytes, make_exchange(bytes, curve, points[i])) ==
                        ((curve == 29 && points[i] == 32) || (curve == 23 && points[i] == 65) ||
                         (curve == 24 && points[i] == 97)));
}

static void test_algorithms_are_those_of_the_key(void **state)
{
    (void)state;
    for (unsigned int algorithm = 0; algorithm < 0x20000; algorithm++) {
        unsigned int const hash = algorithm >> 8;
        bool const known = hash >= 4 && hash <= 6;
        assert_int_equal(key_input_hash(algorithm, KEY_RSA),
                         known && (algorithm & 0xff) == 1 ? hash : 0);
        assert_int_equal(key_input_hash(algorithm, KEY_EC),
                         known && (algorithm & 0xff) == 3 ? hash : 0);
    }
}

/* --- PEM --- */

static enum key_pem_result decode(struct key_pem *pem, char const *text)
{
    return key_pem_decode(pem, text, strlen(text));
}

static void test_objects_of_a_file(void **state)
{
    struct key_pem pem;
    (void)state;
    assert_int_equal(decode(&pem,
                            "a comment\n"
                            "-----BEGIN CERTIFICATE-----\r\nAAEC\r\n-----END CERTIFICATE-----\r\n"
                            "-----BEGIN EC PARAMETERS-----\nAw==\n-----END EC PARAMETERS-----\n"
                            "-----BEGIN EC PRIVATE KEY-----\nBAU=\n-----END EC PRIVATE KEY-----"),
                     KEY_PEM_OK);
    assert_int_equal(pem.count, 3);
    assert_int_equal(pem.objects[0].kind, KEY_PEM_CERTIFICATE);
    assert_int_equal(pem.objects[0].length, 3);
    assert_memory_equal(pem.objects[0].bytes, "\0\1\2", 3);
    assert_int_equal(pem.objects[1].kind, KEY_PEM_OTHER);
    assert_int_equal(pem.objects[2].kind, KEY_PEM_KEY);
    assert_int_equal(pem.objects[2].length, 2);
    assert_memory_equal(pem.objects[2].bytes, "\4\5", 2);
    key_pem_free(&pem);
}

static void test_half_of_a_file_is_broken(void **state)
{
    static char const text[] = "-----BEGIN PRIVATE KEY-----\nAAECAwQF\n-----END PRIVATE KEY-----\n";
    struct key_pem pem;
    (void)state;
    size_t const whole = (size_t)(strstr(text, "-----END ") - text) + strlen("-----END ");
    /* From the first line's end on: before it there is no object. */
    for (size_t i = strcspn(text, "\n") + 1; i < sizeof text; i++) {
        enum key_pem_result const result = key_pem_decode(&pem, text, i);
        assert_int_equal(result, i < whole ? KEY_PEM_BROKEN : KEY_PEM_OK);
        if (result == KEY_PEM_OK)
            key_pem_free(&pem);
    }
    assert_int_equal(decode(&pem, ""), KEY_PEM_OK);
    assert_int_equal(pem.count, 0);
    key_pem_free(&pem);
}

static void test_broken_objects(void **state)
{
    struct key_pem pem;
    char many[17 * 64] = "";
    (void)state;
    assert_int_equal(decode(&pem, "-----BEGIN CERTIFICATE-----\nA$==\n-----END CERTIFICATE-----\n"),
                     KEY_PEM_BROKEN);
    assert_int_equal(decode(&pem, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
                     KEY_PEM_BROKEN);
    assert_int_equal(decode(&pem, "-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAEC\n"
                                  "-----END PRIVATE KEY-----\n"),
                     KEY_PEM_BROKEN);
    for (unsigned int i = 0; i < 17; i++)
        strcat(many, "-----BEGIN X-----\nAAEC\n-----END X-----\n");
    assert_int_equal(decode(&pem, many), KEY_PEM_TOO_MANY);
}

/* --- private keys --- */

static unsigned char der[8192];

/* A key of BITS as BearSSL makes and encodes it, in PKCS#8 or not. */
static size_t make_rsa(unsigned int bits, bool wrapped)
{
    static unsigned char space[BR_RSA_KBUF_PRIV_SIZE(4096)],
        public_space[BR_RSA_KBUF_PUB_SIZE(4096)];
    static unsigned char exponent[512];
    static br_rsa_private_key private;
    static br_rsa_public_key public;
    static unsigned int made; /* bits of the last one: making one takes a second */
    br_hmac_drbg_context random;
    br_hmac_drbg_init(&random, &br_sha256_vtable, "a seed", 6);
    if (made != bits)
        assert_int_equal(br_rsa_keygen_get_default()(&random.vtable, &private, space, &public,
                                                     public_space, bits, 65537),
                         1);
    made = bits;
    size_t const length = br_rsa_compute_privexp_get_default()(exponent, &private, 65537);
    assert_true(length > 0);
    return wrapped ? br_encode_rsa_pkcs8_der(der, &private, &public, exponent, length)
                   : br_encode_rsa_raw_der(der, &private, &public, exponent, length);
}

static size_t make_ec(int curve, bool wrapped)
{
    static unsigned char space[BR_EC_KBUF_PRIV_MAX_SIZE];
    br_ec_private_key private;
    br_hmac_drbg_context random;
    br_hmac_drbg_init(&random, &br_sha256_vtable, "a seed", 6);
    assert_true(br_ec_keygen(&random.vtable, &br_ec_prime_i31, &private, space, curve) > 0);
    return wrapped ? br_encode_ec_pkcs8_der(der, &private, NULL)
                   : br_encode_ec_raw_der(der, &private, NULL);
}

static void test_kinds_of_keys(void **state)
{
    (void)state;
    for (unsigned int wrapped = 0; wrapped < 2; wrapped++) {
        assert_int_equal(key_form(der, make_rsa(1024, wrapped)), KEY_FORM_RSA_SMALL);
        assert_int_equal(key_form(der, make_ec(BR_EC_secp256r1, wrapped)), KEY_FORM_EC);
        assert_int_equal(key_form(der, make_ec(BR_EC_secp384r1, wrapped)), KEY_FORM_EC);
        assert_int_equal(key_form(der, make_ec(BR_EC_secp521r1, wrapped)), KEY_FORM_OTHER_CURVE);
    }
    for (unsigned int wrapped = 0; wrapped < 2; wrapped++)
        assert_int_equal(key_form(der, make_rsa(2048, wrapped)), KEY_FORM_RSA);
}

/* What it calls good must decode, in a buffer that nothing is written behind (sanitizers see it).
 */
static void check_decodes(unsigned char const *bytes, size_t length)
{
    static br_skey_decoder_context decoder;
    enum key_form const form = key_form(bytes, length);
    if (form != KEY_FORM_RSA && form != KEY_FORM_EC)
        return;
    br_skey_decoder_init(&decoder);
    br_skey_decoder_push(&decoder, bytes, length);
}

static void test_damaged_keys(void **state)
{
    static unsigned char const values[] = {0x01, 0x80, 0x00, 0x7f, 0x82, 0xff};
    (void)state;
    for (unsigned int kind = 0; kind < 4; kind++) {
        size_t const length = kind < 2 ? make_rsa(2048, kind) : make_ec(BR_EC_secp384r1, kind == 2);
        for (size_t i = 0; i < length; i += i < 64 ? 1 : 5) {
            enum key_form const half = key_form(der, i);
            assert_true(half == KEY_FORM_BROKEN);
            unsigned char const was = der[i];
            for (size_t k = 0; k < sizeof values; k++) {
                der[i] = values[k] ^ (k < 2 ? was : 0);
                check_decodes(der, length);
            }
            der[i] = was;
        }
        assert_int_equal(key_form(der, length), kind < 2 ? KEY_FORM_RSA : KEY_FORM_EC);
    }
}

/* Appends an INTEGER of LENGTH bytes, all 0x7f. */
static size_t put_number(unsigned char *target, size_t length)
{
    target[0] = 2;
    target[1] = 0x82;
    target[2] = (unsigned char)(length >> 8);
    target[3] = (unsigned char)length;
    memset(target + 4, 0x7f, length);
    return 4 + length;
}

static enum key_form rsa_of(size_t const lengths[8])
{
    size_t length = 4;
    memcpy(der + length, "\2\1\0", 3);
    length += 3;
    for (unsigned int i = 0; i < 8; i++)
        length += put_number(der + length, lengths[i]);
    memcpy(der, "\x30\x82", 2);
    der[2] = (unsigned char)((length - 4) >> 8);
    der[3] = (unsigned char)(length - 4);
    return key_form(der, length);
}

static void test_keys_that_would_not_fit_the_decoder(void **state)
{
    size_t const good[8] = {512, 3, 512, 256, 256, 256, 256, 256};
    (void)state;
    assert_int_equal(rsa_of(good), KEY_FORM_RSA);
    for (unsigned int i = 0; i < 8; i++) {
        size_t lengths[8];
        memcpy(lengths, good, sizeof lengths);
        lengths[i] = i == 1 ? 9 : good[i] + 5;
        assert_int_equal(rsa_of(lengths), KEY_FORM_RSA_LARGE);
        lengths[i] = 0;
        assert_int_equal(rsa_of(lengths), KEY_FORM_BROKEN);
    }
    size_t const huge[8] = {1024, 3, 1024, 512, 512, 512, 512, 512};
    assert_int_equal(rsa_of(huge), KEY_FORM_RSA_LARGE);
}

int main(void)
{
    static struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_names_have_their_folder_and_their_parents),
        cmocka_unit_test(test_what_is_no_name_asks_for_nothing),
        cmocka_unit_test(test_lengths_of_names),
        cmocka_unit_test(test_exchanges_on_the_three_curves_are_signed),
        cmocka_unit_test(test_nothing_else_is_signed),
        cmocka_unit_test(test_algorithms_are_those_of_the_key),
        cmocka_unit_test(test_objects_of_a_file),
        cmocka_unit_test(test_half_of_a_file_is_broken),
        cmocka_unit_test(test_broken_objects),
        cmocka_unit_test(test_kinds_of_keys),
        cmocka_unit_test(test_damaged_keys),
        cmocka_unit_test(test_keys_that_would_not_fit_the_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
