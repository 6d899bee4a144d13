#include "lib/domain_ascii.h"

#include <stdbool.h>
#include <string.h>

#include <idn2.h>
#include <skalibs/bytestr.h>

#include "lib/address.h"

static bool is_ascii(char const *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 0x7e)
            return false;
    return true;
}

static enum domain_ascii_result take(char *out, size_t size, char const *domain)
{
    size_t const length = strlen(domain);
    if (length >= size || !address_is_domain(domain, length, false))
        return DOMAIN_ASCII_NONE;
    memcpy(out, domain, length + 1);
    case_lowerb(out, length);
    return DOMAIN_ASCII_OK;
}

enum domain_ascii_result domain_ascii(char *out, size_t size, char const *domain)
{
    uint8_t *converted = NULL;
    if (is_ascii(domain)) /* not through libidn2: names with an underscore exist */
        return take(out, size, domain);
    if (!address_is_domain(domain, strlen(domain), true))
        return DOMAIN_ASCII_NONE;
    int const result =
        idn2_lookup_u8((uint8_t const *)domain, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (result != IDN2_OK)
        return result == IDN2_MALLOC ? DOMAIN_ASCII_NO_MEMORY : DOMAIN_ASCII_NONE;
    enum domain_ascii_result const taken = take(out, size, (char const *)converted);
    idn2_free(converted);
    return taken;
}

size_t domain_key(char *out, size_t size, char const *domain, size_t length)
{
    char text[ADDRESS_DOMAIN_MAX + 1];
    if (length < sizeof text) {
        memcpy(text, domain, length);
        text[length] = 0;
        if (!is_ascii(text) && domain_ascii(out, size, text) == DOMAIN_ASCII_OK)
            return strlen(out);
    }
    if (length > size)
        return 0;
    memcpy(out, domain, length);
    return length;
}
