#include "lib/dns_query.h"

#include <arpa/nameser.h>
#include <string.h>

/* Of the second 16 bits of the header. */
#define FLAG_RD 0x0100u
#define FLAG_AD 0x0020u

void dns_query_lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text + ('a' - 'A'));
}

bool dns_query_name(char out[DNS_NAME_MAX], char const *name)
{
    unsigned char wire[NS_MAXCDNAME];
    if (!*name)
        return false;
    /* ns_name_pton takes all bytes as they are. 8-bit here is U-labels that nobody converted: not
     * what is in the DNS. */
    for (char const *byte = name; *byte; byte++)
        if (*byte <= ' ' || *byte > '~')
            return false;
    if (ns_name_pton(name, wire, sizeof wire) < 0 || ns_name_ntop(wire, out, DNS_NAME_MAX) < 0)
        return false;
    dns_query_lower(out);
    return true;
}

static unsigned char *put16(unsigned char *out, unsigned int number)
{
    out[0] = (unsigned char)(number >> 8);
    out[1] = (unsigned char)number;
    return out + 2;
}

size_t dns_query_build(unsigned char bytes[DNS_QUERY_MAX], struct dns_query const *query)
{
    unsigned char *out = bytes;
    out = put16(out, query->id);
    out = put16(out, FLAG_RD | FLAG_AD);
    out = put16(out, 1); /* one question, no answer, no authority */
    out = put16(out, 0);
    out = put16(out, 0);
    out = put16(out, query->edns ? 1 : 0);
    ns_name_pton(query->name, out, NS_MAXCDNAME);
    while (*out) /* the name is our own: no pointers */
        out += 1 + *out;
    out = put16(out + 1, query->type);
    out = put16(out, ns_c_in);
    if (query
            ->edns) { /* RFC 6891 section 6.1.2: root, OPT, size, extended code and flags, length */
        *out++ = 0;
        out = put16(out, ns_t_opt);
        out = put16(out, DNS_UDP_SIZE);
        memset(out, 0, 6);
        out += 6;
    }
    return (size_t)(out - bytes);
}
