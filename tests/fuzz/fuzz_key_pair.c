/* Certificates and keys: the input is chain.pem, a NUL, key.pem, and the same bytes are taken for
 * the DER of a key and for what an engine wants signed. What the checks let through must decode
 * within its buffers (the sanitizer sees to that). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/key_form.h"
#include "tls/key_pair.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void check_form(uint8_t const *bytes, size_t length)
{
    enum key_form const form = key_form(bytes, length);
    br_skey_decoder_context *const decoder = malloc(sizeof *decoder);
    if (decoder && (form == KEY_FORM_RSA || form == KEY_FORM_EC)) {
        br_skey_decoder_init(decoder);
        br_skey_decoder_push(decoder, bytes, length);
        if (br_skey_decoder_key_type(decoder) == BR_KEYTYPE_RSA &&
            br_skey_decoder_get_rsa(decoder)->n_bitlen > KEY_RSA_BITS_MAX)
            abort();
    }
    free(decoder);
}

static void check_pair(uint8_t const *bytes, size_t length)
{
    struct key_pair pair;
    struct key_problem problem = {0};
    uint8_t const *const end = memchr(bytes, 0, length);
    size_t const chain = end ? (size_t)(end - bytes) : length;
    size_t const key = end ? chain + 1 : length;
    if (key_pair_make(&pair, (char const *)bytes, chain, (char const *)bytes + key, length - key,
                      &problem))
        key_pair_free(&pair);
    else if (!problem.file || !problem.what || !problem.hint)
        abort();
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    check_form(bytes, length);
    check_pair(bytes, length);
    if (key_input_is_exchange(bytes, length) &&
        (length > KEY_INPUT_MAX || bytes[64] != 3 || bytes[67] != length - 68))
        abort();
    return 0;
}
