#include "deliver/remote_name.h"

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

static bool take(char *out, size_t size, char const *domain)
{
    size_t const length = strlen(domain);
    if (length >= size || !address_is_domain(domain, length, false))
        return false;
    memcpy(out, domain, length + 1);
    case_lowerb(out, length);
    return true;
}

bool remote_name_ascii(char *out, size_t size, char const *domain)
{
    uint8_t *converted = NULL;
    if (is_ascii(domain)) /* not through libidn2: names with an underscore exist */
        return take(out, size, domain);
    if (!address_is_domain(domain, strlen(domain), true))
        return false;
    if (idn2_lookup_u8((uint8_t const *)domain, &converted,
                       IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return false;
    bool const good = take(out, size, (char const *)converted);
    idn2_free(converted);
    return good;
}
