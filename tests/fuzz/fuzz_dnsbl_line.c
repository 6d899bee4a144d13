/* Lines of dnsbl and rhsbl: what is accepted can be asked for, and counts no error as a hit. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "judge/dnsbl_line.h"
#include "lib/address.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void expect(bool what)
{
    if (!what)
        abort();
}

static void check(char const *line, size_t length, bool domains)
{
    struct dnsbl list;
    ip46 ip;
    if (dnsbl_line_parse(&list, line, length, domains))
        return;
    size_t const zone = strlen(list.zone);
    expect(zone <= DNSBL_ZONE_MAX && address_is_domain(list.zone, zone, false));
    expect(list.allow ? list.weight == 0 : list.weight >= 1 && list.weight <= DNSBL_WEIGHT_MAX);
    expect((list.helo || list.sender) == domains);
    expect(strlen(list.text) <= DNSBL_TEXT_MAX && list.range_count <= DNSBL_RANGES_MAX);
    for (size_t i = 0; i < list.range_count; i++)
        expect(list.ranges[i].first <= list.ranges[i].last && list.ranges[i].first >> 24 == 127 &&
               list.ranges[i].last < 0x7fffff00u);
    ip46_from_ip4(&ip, "\x7f\xff\xff\xfe");
    expect(dnsbl_line_meaning(&list, &ip) == DNSBL_ERROR);
    ip46_from_ip4(&ip, "\xc6\x33\x64\x01");
    expect(dnsbl_line_meaning(&list, &ip) == DNSBL_ERROR);
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    char *const line = malloc(length ? length : 1);
    expect(line != NULL);
    if (length)
        memcpy(line, bytes, length);
    check(line, length, false);
    check(line, length, true);
    free(line);
    return 0;
}
