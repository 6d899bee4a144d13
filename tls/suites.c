#include "tls/suites.h"

#include <stdbool.h>
#include <string.h>

/* Those of suites_aead come first. */
static struct suite {
    uint16_t number;
    char const *name;
} const suites_known[] = {
    {BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"},
    {BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, "ECDHE-ECDSA-AES128-SHA256"},
    {BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "ECDHE-RSA-AES128-SHA256"},
    {BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384, "ECDHE-ECDSA-AES256-SHA384"},
    {BR_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384, "ECDHE-RSA-AES256-SHA384"},
};

char const *suite_name(uint16_t suite)
{
    for (size_t i = 0; i < sizeof suites_known / sizeof *suites_known; i++)
        if (suites_known[i].number == suite)
            return suites_known[i].name;
    return "unknown";
}

void suites_aead(uint16_t suites[SUITES_AEAD])
{
    bool const computes_aes = br_aes_x86ni_ctr_get_vtable() || br_aes_pwr8_ctr_get_vtable();
    size_t const first = computes_aes ? 0 : 4;
    for (size_t i = 0; i < SUITES_AEAD; i++)
        suites[i] = suites_known[(first + i) % SUITES_AEAD].number;
}

int suite_hash(uint16_t suite)
{
    for (size_t i = 0; i < SUITES_AEAD; i++)
        if (suites_known[i].number == suite)
            return strstr(suites_known[i].name, "SHA384") ? br_sha384_ID : br_sha256_ID;
    return 0;
}
