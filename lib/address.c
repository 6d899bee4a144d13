#include "lib/address.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/utf8.h"

/* What each ASCII byte may be (RFC 5321 4.1.2); bytes from 0x80 up have no class: UTF-8 decides. */
enum {
    ATEXT = 1,  /* in a dot-string */
    QTEXT = 2,  /* in a quoted string as it is */
    QPAIR = 4,  /* in a quoted string after a backslash */
    LABEL = 8,  /* in a domain's label */
    EDGE = 16,  /* at a label's first or last place */
    LITTER = 32 /* in an address literal */
};

static unsigned char const class_of[256] = {
    [' '] = QTEXT | QPAIR,
    ['!'] = ATEXT | QTEXT | QPAIR,
    ['"'] = QPAIR,
    ['#' ... '\''] = ATEXT | QTEXT | QPAIR,
    ['(' ... ')'] = QTEXT | QPAIR,
    ['*' ... '+'] = ATEXT | QTEXT | QPAIR,
    [','] = QTEXT | QPAIR,
    ['-'] = ATEXT | QTEXT | QPAIR | LABEL,
    ['.'] = QTEXT | QPAIR | LITTER,
    ['/'] = ATEXT | QTEXT | QPAIR,
    ['0' ... '9'] = ATEXT | QTEXT | QPAIR | LABEL | EDGE | LITTER,
    [':'] = QTEXT | QPAIR | LITTER,
    [';' ... '<'] = QTEXT | QPAIR,
    ['='] = ATEXT | QTEXT | QPAIR,
    ['>'] = QTEXT | QPAIR,
    ['?'] = ATEXT | QTEXT | QPAIR,
    ['@'] = QTEXT | QPAIR,
    ['A' ... 'Z'] = ATEXT | QTEXT | QPAIR | LABEL | EDGE | LITTER,
    ['['] = QTEXT | QPAIR,
    ['\\'] = QPAIR,
    [']'] = QTEXT | QPAIR,
    ['^'] = ATEXT | QTEXT | QPAIR,
    ['_'] = ATEXT | QTEXT | QPAIR | LABEL | EDGE,
    ['`'] = ATEXT | QTEXT | QPAIR,
    ['a' ... 'z'] = ATEXT | QTEXT | QPAIR | LABEL | EDGE | LITTER,
    ['{' ... '~'] = ATEXT | QTEXT | QPAIR,
};

static bool byte_is(char byte, unsigned int classes)
{
    return (class_of[(unsigned char)byte] & classes) != 0;
}

static bool byte_is_ascii(char byte)
{
    return (unsigned char)byte < 0x80;
}

bool address_is_utf8(char const *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t size = utf8_next(text + i, length - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

/* The full stops of other scripts: IDNA maps them to `.`, so in a label they would hide a dot. */
static bool is_foreign_dot(char const *text, size_t size)
{
    return size == 3 &&
           (memcmp(text, "\xe3\x80\x82", 3) == 0 || memcmp(text, "\xef\xbc\x8e", 3) == 0 ||
            memcmp(text, "\xef\xbd\xa1", 3) == 0);
}

static bool is_label(char const *text, size_t length, bool utf8)
{
    if (length == 0 || length > ADDRESS_LABEL_MAX)
        return false;
    for (size_t i = 0; i < length;) {
        if (byte_is_ascii(text[i])) {
            if (!byte_is(text[i], i == 0 || i == length - 1 ? EDGE : LABEL))
                return false;
            i++;
            continue;
        }
        size_t size = utf8 ? utf8_next(text + i, length - i) : 0;
        if (size == 0 || is_foreign_dot(text + i, size))
            return false;
        i += size;
    }
    return true;
}

bool address_is_domain(char const *text, size_t length, bool utf8)
{
    if (length == 0 || length > ADDRESS_DOMAIN_MAX)
        return false;
    for (size_t start = 0;;) {
        char const *dot = memchr(text + start, '.', length - start);
        size_t end = dot ? (size_t)(dot - text) : length;
        if (!is_label(text + start, end - start, utf8))
            return false;
        if (!dot)
            return true;
        start = end + 1;
    }
}

bool address_literal_ip(char const *text, size_t length, ip46 *ip)
{
    static char const tag[] = "ipv6:";
    char plain[INET6_ADDRSTRLEN];
    if (length < 2 || text[0] != '[' || text[length - 1] != ']')
        return false;
    text++;
    length -= 2;
    bool is6 = length >= sizeof tag - 1 && case_equalb(text, sizeof tag - 1, tag);
    if (is6) {
        text += sizeof tag - 1;
        length -= sizeof tag - 1;
    }
    if (length >= sizeof plain || memchr(text, 0, length))
        return false;
    memcpy(plain, text, length);
    plain[length] = 0;

    unsigned char bytes[16];
    if (inet_pton(is6 ? AF_INET6 : AF_INET, plain, bytes) != 1)
        return false;
    static unsigned char const mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (is6 && memcmp(bytes, mapped, sizeof mapped) == 0)
        ip46_from_ip4(ip, (char *)bytes + 12);
    else if (is6)
        ip46_from_ip6(ip, (char *)bytes);
    else
        ip46_from_ip4(ip, (char *)bytes);
    return true;
}

size_t address_rootless(char const *name, size_t length)
{
    return length > 1 && name[length - 1] == '.' ? length - 1 : length;
}

bool address_is_literal(char const *text, size_t length)
{
    ip46 ip;
    return address_literal_ip(text, length, &ip);
}

char const *address_domain(struct address const *address, size_t *length)
{
    if (address->domain == ADDRESS_DOMAIN_NONE) {
        *length = 0;
        return address->bytes + address->length;
    }
    *length = address->length - address->local_length - 1;
    return address->bytes + address->local_length + 1;
}

/* The text of a path while it is read. */
struct cursor {
    char const *text;
    size_t length, position;
    bool utf8;
};

static bool cursor_at(struct cursor const *cursor, char byte)
{
    return cursor->position < cursor->length && cursor->text[cursor->position] == byte;
}

static bool cursor_skip(struct cursor *cursor, char byte)
{
    if (!cursor_at(cursor, byte))
        return false;
    cursor->position++;
    return true;
}

static enum address_result append(struct address *address, char const *bytes, size_t length,
                                  size_t limit)
{
    if (address->length + length > limit)
        return ADDRESS_TOO_LONG;
    memcpy(address->bytes + address->length, bytes, length);
    address->length += length;
    return ADDRESS_OK;
}

bool address_is_rewritten(char const *local, size_t length)
{
    return length > 5 && case_diffb(local, 3, "srs") == 0 && (local[3] == '0' || local[3] == '1') &&
           (local[4] == '=' || local[4] == '+' || local[4] == '-');
}

/* The non-ASCII character at the cursor. */
static enum address_result parse_utf8(struct cursor *cursor, struct address *address)
{
    char const *here = cursor->text + cursor->position;
    size_t size = cursor->utf8 ? utf8_next(here, cursor->length - cursor->position) : 0;
    if (size == 0)
        return ADDRESS_UTF8;
    address->utf8 = true;
    cursor->position += size;
    return append(address, here, size, ADDRESS_PATH_MAX);
}

static enum address_result parse_quoted(struct cursor *cursor, struct address *address)
{
    for (cursor->position++; cursor->position < cursor->length;) {
        char byte = cursor->text[cursor->position];
        enum address_result result;
        if (byte == '"') {
            cursor->position++;
            return address->length > 0 ? ADDRESS_OK : ADDRESS_SYNTAX;
        }
        if (!byte_is_ascii(byte)) {
            result = parse_utf8(cursor, address);
        } else {
            unsigned int wanted = QTEXT;
            if (byte == '\\') {
                if (++cursor->position == cursor->length)
                    return ADDRESS_SYNTAX;
                byte = cursor->text[cursor->position];
                wanted = QPAIR;
            }
            if (!byte_is(byte, wanted))
                return byte_is_ascii(byte) ? ADDRESS_SYNTAX : ADDRESS_UTF8;
            cursor->position++;
            result = append(address, &byte, 1, ADDRESS_PATH_MAX);
        }
        if (result != ADDRESS_OK)
            return result;
    }
    return ADDRESS_SYNTAX;
}

static enum address_result parse_dot_string(struct cursor *cursor, struct address *address)
{
    bool after_atom = false;
    for (; cursor->position < cursor->length;) {
        char byte = cursor->text[cursor->position];
        enum address_result result;
        if (!byte_is_ascii(byte)) {
            result = parse_utf8(cursor, address);
            after_atom = true;
        } else if (byte_is(byte, ATEXT) || (byte == '.' && after_atom)) {
            after_atom = byte != '.';
            cursor->position++;
            result = append(address, &byte, 1, ADDRESS_PATH_MAX);
        } else {
            break;
        }
        if (result != ADDRESS_OK)
            return result;
    }
    return after_atom ? ADDRESS_OK : ADDRESS_SYNTAX;
}

/* Finds the end of the host name or literal at the cursor and checks it; *kind says which. */
static enum address_result parse_domain(struct cursor *cursor, enum address_domain *kind,
                                        size_t *length, bool *utf8)
{
    char const *start = cursor->text + cursor->position;
    bool literal = cursor_at(cursor, '[');
    size_t end = cursor->position + literal;
    *utf8 = false;
    for (; end < cursor->length; end++) {
        char byte = cursor->text[end];
        if (!byte_is_ascii(byte) && !literal)
            *utf8 = true;
        else if (!byte_is(byte, literal ? LITTER : LABEL) && (literal || byte != '.'))
            break;
    }
    if (literal && end < cursor->length && cursor->text[end] == ']')
        end++;
    *length = end - cursor->position;
    *kind = literal ? ADDRESS_DOMAIN_LITERAL : ADDRESS_DOMAIN_NAME;
    if (*utf8 && (!cursor->utf8 || !address_is_utf8(start, *length)))
        return ADDRESS_UTF8;
    if (*length > ADDRESS_DOMAIN_MAX)
        return ADDRESS_TOO_LONG;
    if (literal ? !address_is_literal(start, *length)
                : !address_is_domain(start, *length, cursor->utf8))
        return ADDRESS_SYNTAX;
    cursor->position = end;
    return ADDRESS_OK;
}

/* `@a,@b:` in front of the mailbox: checked, so that garbage is still an error, and dropped. */
static enum address_result skip_source_route(struct cursor *cursor)
{
    while (cursor_skip(cursor, '@')) {
        enum address_domain kind;
        size_t length;
        bool utf8;
        enum address_result result = parse_domain(cursor, &kind, &length, &utf8);
        if (result != ADDRESS_OK)
            return result;
        if (cursor_skip(cursor, ':'))
            return ADDRESS_OK;
        if (!cursor_skip(cursor, ',') || !cursor_at(cursor, '@'))
            return ADDRESS_SYNTAX;
    }
    return ADDRESS_OK;
}

static enum address_result parse_mailbox(struct cursor *cursor, struct address *address)
{
    enum address_result result =
        cursor_at(cursor, '"') ? parse_quoted(cursor, address) : parse_dot_string(cursor, address);
    if (result != ADDRESS_OK)
        return result;
    if (address->length > ADDRESS_LOCAL_MAX &&
        !address_is_rewritten(address->bytes, address->length))
        return ADDRESS_TOO_LONG;
    address->local_length = address->length;
    if (!cursor_skip(cursor, '@'))
        return ADDRESS_OK;

    char const *domain = cursor->text + cursor->position;
    size_t length;
    bool utf8;
    result = parse_domain(cursor, &address->domain, &length, &utf8);
    if (result != ADDRESS_OK)
        return result;
    address->utf8 |= utf8;
    if (append(address, "@", 1, ADDRESS_MAX) != ADDRESS_OK ||
        append(address, domain, length, ADDRESS_MAX) != ADDRESS_OK)
        return ADDRESS_TOO_LONG;
    char *const copy = address->bytes + address->length - length;
    case_lowerb(copy, length);
    if (address->domain == ADDRESS_DOMAIN_LITERAL && copy[1] == 'i')
        memcpy(copy + 1, "IPv6", 4); /* the RFC's own spelling */
    return ADDRESS_OK;
}

enum address_result address_parse_path(struct address *address, char const *text, size_t length,
                                       bool utf8, size_t *consumed)
{
    struct cursor cursor = {.text = text, .length = length, .position = 0, .utf8 = utf8};
    enum address_result result;
    address->length = address->local_length = 0;
    address->domain = ADDRESS_DOMAIN_NONE;
    address->utf8 = false;

    if (!cursor_skip(&cursor, '<'))
        return ADDRESS_SYNTAX;
    if (!cursor_at(&cursor, '>')) {
        if ((result = skip_source_route(&cursor)) != ADDRESS_OK ||
            (result = parse_mailbox(&cursor, address)) != ADDRESS_OK)
            return result;
    }
    if (!cursor_skip(&cursor, '>'))
        return ADDRESS_SYNTAX;
    if (cursor.position > ADDRESS_PATH_MAX)
        return ADDRESS_TOO_LONG;
    address->bytes[address->length] = 0;
    *consumed = cursor.position;
    return ADDRESS_OK;
}

static bool is_dot_string(char const *text, size_t length)
{
    bool after_atom = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.' ? !after_atom : byte_is_ascii(text[i]) && !byte_is(text[i], ATEXT))
            return false;
        after_atom = text[i] != '.';
    }
    return after_atom;
}

bool address_quote(stralloc *out, char const *address, size_t length)
{
    char const *at = memrchr(address, '@', length);
    size_t local = at ? (size_t)(at - address) : length;
    if (length == 0 || is_dot_string(address, local))
        return stralloc_catb(out, address, length) != 0;
    if (!stralloc_append(out, '"'))
        return false;
    for (size_t i = 0; i < local; i++) {
        if ((address[i] == '"' || address[i] == '\\') && !stralloc_append(out, '\\'))
            return false;
        if (!stralloc_append(out, address[i]))
            return false;
    }
    return stralloc_append(out, '"') && stralloc_catb(out, address + local, length - local);
}

bool address_spell_ip(char name[IP46_FMT + 1], char const *text, size_t length)
{
    char plain[INET6_ADDRSTRLEN], bytes[16];
    bool const has_brackets = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    ip46 ip;
    if (!address_literal_ip(text, length, &ip)) {
        length -= has_brackets ? 2 : 0;
        if (length >= sizeof plain)
            return false;
        memcpy(plain, text + has_brackets, length);
        plain[length] = 0;
        if (inet_pton(AF_INET, plain, bytes) == 1)
            ip46_from_ip4(&ip, bytes);
        else if (inet_pton(AF_INET6, plain, bytes) == 1)
            ip46_from_ip6(&ip, bytes);
        else
            return false;
    }
    name[ip46_fmt(name, &ip)] = 0;
    return true;
}
