#include "judge/dnsbl_line.h"

#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/address.h"
#include "lib/network.h"

#define LOOPBACK      0x7f000000u /* 127.0.0.0/8: what lists answer by */
#define LOOPBACK_LAST 0x7fffffffu
#define REFUSALS      0x7fffff00u /* 127.255.255.0/24 */
#define NOBODY        0x7f000001u

#define EXPECTED_ZONE                                                                              \
    "a list's domain, for an allow list with + in front, then values, options, a text"
#define EXPECTED_VALUES                                                                            \
    "the values that count, within 127.0.0.0/8 without 127.255.255.0/24, such as "                 \
    "127.0.0.2,127.0.0.4-127.0.0.11,127.0.1.0/24"
#define EXPECTED_WEIGHT "weight= and a number from 1 to 1000, once, and not for an allow list"
#define EXPECTED_FOR    "for=helo, for=sender or for=helo,sender, in rhsbl only, once"
#define EXPECTED_TEXT   "a text of at most 200 bytes of printable ASCII"

struct word {
    char const *bytes;
    size_t length;
};

/* Takes a word of the *LENGTH bytes at *TEXT, and the blanks behind it. */
static struct word take_word(char const **text, size_t *length)
{
    struct word word = {.bytes = *text};
    while (word.length < *length && word.bytes[word.length] != ' ' &&
           word.bytes[word.length] != '\t')
        word.length++;
    size_t taken = word.length;
    while (taken < *length && ((*text)[taken] == ' ' || (*text)[taken] == '\t'))
        taken++;
    *text += taken;
    *length -= taken;
    return word;
}

static bool starts(struct word const *word, char const *with)
{
    size_t const length = strlen(with);
    return word->length >= length && !memcmp(word->bytes, with, length);
}

static uint32_t number_of(unsigned char const *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* An IPv4 address or network, as lib/network has them. */
static bool parse_network(struct dnsbl_range *range, char const *text, size_t length)
{
    struct network network;
    if (memchr(text, ':', length) || !network_parse(text, length, &network) || network.excluded)
        return false;
    unsigned int const free = 128u - network.prefix;
    range->first = number_of(network.address + 12);
    range->last = range->first | (free >= 32 ? UINT32_MAX : (1u << free) - 1);
    return true;
}

static bool parse_range(struct dnsbl_range *range, char const *text, size_t length)
{
    char const *const dash = memchr(text, '-', length);
    size_t const first = dash ? (size_t)(dash - text) : length;
    struct dnsbl_range last;
    if (!parse_network(range, text, first))
        return false;
    if (dash) {
        if (!parse_network(&last, dash + 1, length - first - 1) || last.first != last.last ||
            range->first != range->last || last.last < range->first)
            return false;
        range->last = last.last;
    }
    return range->first >= LOOPBACK && range->last < REFUSALS;
}

static char const *parse_values(struct dnsbl *list, struct word word)
{
    if (list->range_count > 0)
        return EXPECTED_VALUES;
    for (bool more = true; more;) {
        char const *const comma = memchr(word.bytes, ',', word.length);
        size_t const length = comma ? (size_t)(comma - word.bytes) : word.length;
        more = comma != NULL;
        if (list->range_count == DNSBL_RANGES_MAX)
            return "at most 16 values and ranges of values";
        if (!parse_range(&list->ranges[list->range_count++], word.bytes, length))
            return EXPECTED_VALUES;
        word.bytes += length + more;
        word.length -= length + more;
    }
    return NULL;
}

static char const *parse_weight(struct dnsbl *list, struct word word)
{
    unsigned int sum = 0;
    if (list->allow || list->weight || word.length == 0 || word.length > 4)
        return EXPECTED_WEIGHT;
    for (size_t i = 0; i < word.length; i++) {
        if (word.bytes[i] < '0' || word.bytes[i] > '9')
            return EXPECTED_WEIGHT;
        sum = sum * 10 + (unsigned int)(word.bytes[i] - '0');
    }
    list->weight = sum;
    return sum >= 1 && sum <= DNSBL_WEIGHT_MAX ? NULL : EXPECTED_WEIGHT;
}

static bool is(struct word const *word, char const *text)
{
    return word->length == strlen(text) && starts(word, text);
}

static char const *parse_for(struct dnsbl *list, struct word const *word, bool domains)
{
    if (!domains || list->helo || list->sender)
        return EXPECTED_FOR;
    bool const both = is(word, "helo,sender") || is(word, "sender,helo");
    list->helo = both || is(word, "helo");
    list->sender = both || is(word, "sender");
    return list->helo || list->sender ? NULL : EXPECTED_FOR;
}

static char const *parse_zone(struct dnsbl *list, struct word word)
{
    list->allow = starts(&word, "+");
    word.bytes += list->allow;
    word.length -= list->allow;
    if (word.length > 1 && word.bytes[word.length - 1] == '.')
        word.length--;
    if (word.length > DNSBL_ZONE_MAX || !address_is_domain(word.bytes, word.length, false) ||
        !memchr(word.bytes, '.', word.length))
        return EXPECTED_ZONE;
    memcpy(list->zone, word.bytes, word.length);
    case_lowerb(list->zone, word.length);
    return NULL;
}

static char const *parse_text(struct dnsbl *list, char const *text, size_t length)
{
    if (length > DNSBL_TEXT_MAX)
        return EXPECTED_TEXT;
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            return EXPECTED_TEXT;
    memcpy(list->text, text, length);
    return NULL;
}

char const *dnsbl_line_parse(struct dnsbl *list, char const *line, size_t length, bool domains)
{
    memset(list, 0, sizeof *list);
    char const *problem = parse_zone(list, take_word(&line, &length));
    bool text = false;
    while (!problem && !text && length > 0) {
        char const *const at = line;
        size_t const left = length;
        struct word word = take_word(&line, &length);
        if (word.bytes[0] >= '0' && word.bytes[0] <= '9')
            problem = parse_values(list, word);
        else if (starts(&word, "weight="))
            problem = parse_weight(list, (struct word){word.bytes + 7, word.length - 7});
        else if (starts(&word, "for="))
            problem = parse_for(list, &(struct word){word.bytes + 4, word.length - 4}, domains);
        else {
            problem = parse_text(list, at, left);
            text = true;
        }
    }
    if (!list->weight && !list->allow)
        list->weight = 1;
    if (domains && !list->helo && !list->sender)
        list->helo = list->sender = true;
    return problem;
}

enum dnsbl_meaning dnsbl_line_meaning(struct dnsbl const *list, ip46 const *ip)
{
    if (ip46_is6(ip))
        return DNSBL_ERROR;
    uint32_t const value = number_of((unsigned char const *)ip->ip);
    if (value < LOOPBACK || value > LOOPBACK_LAST || value >= REFUSALS)
        return DNSBL_ERROR;
    for (size_t i = 0; i < list->range_count; i++)
        if (value >= list->ranges[i].first && value <= list->ranges[i].last)
            return DNSBL_LISTED;
    if (value == NOBODY)
        return DNSBL_ERROR;
    return list->range_count == 0 ? DNSBL_LISTED : DNSBL_OTHER;
}
