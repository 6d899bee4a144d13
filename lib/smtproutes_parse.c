#include "lib/smtproutes_parse.h"

#include <arpa/inet.h>
#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/address.h"

#define PORT          25
#define PORT_IMPLICIT 465 /* RFC 8314 */

/* A part of a line. */
struct text {
    char const *bytes;
    size_t length;
};

/* An entry on its way. */
struct entry {
    struct smtproute *route;
    bool has_port[SMTPROUTES_HOSTS_MAX];
    bool is_address[SMTPROUTES_HOSTS_MAX]; /* and no name */
    unsigned int sockets;
    bool implicit, starttls;
};

/* Splits off what stands before SIGN; all of it when there is none. */
static bool split(struct text *first, struct text *rest, char sign)
{
    char const *const found = rest->length ? memchr(rest->bytes, sign, rest->length) : NULL;
    *first = *rest;
    if (!found)
        return false;
    first->length = (size_t)(found - rest->bytes);
    *rest = (struct text){found + 1, rest->length - first->length - 1};
    return true;
}

/* Splits the next word off; false when there is none. */
static bool next_word(struct text *word, struct text *rest)
{
    size_t length = 0;
    while (rest->length && (*rest->bytes == ' ' || *rest->bytes == '\t')) {
        rest->bytes++;
        rest->length--;
    }
    while (length < rest->length && rest->bytes[length] != ' ' && rest->bytes[length] != '\t')
        length++;
    *word = (struct text){rest->bytes, length};
    *rest = (struct text){rest->bytes + length, rest->length - length};
    return length > 0;
}

/* --- hosts --- */

/* 1 to 65535, digits only. */
static bool scan_port(uint16_t *port, struct text const *text)
{
    unsigned int sum = 0;
    if (text->length == 0 || text->length > 5)
        return false;
    for (size_t i = 0; i < text->length; i++) {
        if (text->bytes[i] < '0' || text->bytes[i] > '9')
            return false;
        sum = sum * 10 + (unsigned int)(text->bytes[i] - '0');
    }
    *port = (uint16_t)sum;
    return sum > 0 && sum <= 65535;
}

/* No zone (fe80::1%eth0): inet_pton knows none. */
static bool is_ip(int family, struct text const *text)
{
    char plain[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (text->length >= sizeof plain || memchr(text->bytes, 0, text->length))
        return false;
    memcpy(plain, text->bytes, text->length);
    plain[text->length] = 0;
    return inet_pton(family, plain, bytes) == 1;
}

/* Splits `[ADDRESS]` off, without the brackets. */
static bool split_brackets(struct text *host, struct text *rest)
{
    struct text inner = {rest->bytes + 1, rest->length - 1};
    if (!split(host, &inner, ']'))
        return false;
    *rest = inner;
    return is_ip(AF_INET6, host) || is_ip(AF_INET, host);
}

/* What follows `lmtp:`, when it is a path. Blanks and commas end a host, so it has none. */
static char const *parse_socket(struct entry *entry, struct smtproute_host *host, struct text text)
{
    bool good = text.length < SMTPROUTES_SOCKET_MAX && text.bytes[text.length - 1] != '/';
    for (size_t i = 0; i < text.length; i++)
        good = good && text.bytes[i] > ' ' && text.bytes[i] < 0x7f;
    if (!good)
        return "the path of a socket has up to 107 printable ASCII characters, no comma, no blank";
    memcpy(host->name, text.bytes, text.length);
    entry->sockets++;
    return NULL;
}

static bool take_lmtp(struct text *text)
{
    static char const prefix[] = "lmtp:";
    size_t const length = sizeof prefix - 1;
    if (text->length < length || memcmp(text->bytes, prefix, length) != 0)
        return false;
    *text = (struct text){text->bytes + length, text->length - length};
    return true;
}

static char const *parse_host(struct entry *entry, unsigned int index, struct text text)
{
    static char const hint[] =
        "HOST is a name, an IPv4 address or an IPv6 address in brackets; empty means by MX";
    struct smtproute_host *const host = entry->route->hosts + index;
    struct text name, rest;
    bool more;
    host->lmtp = take_lmtp(&text);
    if (host->lmtp && text.length && *text.bytes == '/')
        return parse_socket(entry, host, text);
    rest = text;
    if (text.length && *text.bytes == '[') {
        if (!split_brackets(&name, &rest))
            return hint;
        more = rest.length > 0;
        if (more && *rest.bytes != ':')
            return hint;
        rest.bytes += more;
        rest.length -= more;
        entry->is_address[index] = true;
    } else {
        more = split(&name, &rest, ':');
        if (name.length && !address_is_domain(name.bytes, name.length, true))
            return hint;
        entry->is_address[index] = name.length && is_ip(AF_INET, &name);
    }
    if (name.length >= sizeof host->name)
        return "the name of the host is too long";
    memcpy(host->name, name.bytes, name.length);
    case_lowerb(host->name, name.length);
    host->port = PORT;
    entry->has_port[index] = more;
    if (host->lmtp && (!more || !name.length))
        return "LMTP goes to lmtp:/PATH or lmtp:HOST:PORT";
    return more && !scan_port(&host->port, &rest)
               ? "PORT is a number from 1 to 65535; an IPv6 address stands in brackets"
               : NULL;
}

static char const *parse_hosts(struct entry *entry, struct text text)
{
    struct smtproute *const route = entry->route;
    struct text host;
    bool more;
    do {
        if (route->count == SMTPROUTES_HOSTS_MAX)
            return "two hosts at most: HOST,HOST2";
        more = split(&host, &text, ',');
        char const *const problem = parse_host(entry, route->count, host);
        if (problem)
            return problem;
        route->count++;
    } while (more);
    route->by_mx = !route->hosts[0].name[0];
    for (unsigned int i = 1; i < route->count; i++)
        if (route->by_mx || !route->hosts[i].name[0])
            return "by MX there is no second host; write two hosts, or none";
    return NULL;
}

/* --- options --- */

static bool take_tls(struct entry *entry, struct text const *value)
{
    return entry->route->tls.level == TLSPOLICY_UNSET &&
           tlspolicy_parse(&entry->route->tls, value->bytes, value->length);
}

static bool take_auth(struct entry *entry, struct text const *value)
{
    if (entry->route->auth[0] || !smtproutes_is_reference(value->bytes, value->length))
        return false;
    memcpy(entry->route->auth, value->bytes, value->length);
    return true;
}

static bool set(bool *flag)
{
    bool const first = !*flag;
    *flag = true;
    return first;
}

static bool take_implicit(struct entry *entry, struct text const *value)
{
    (void)value;
    return !entry->starttls && set(&entry->implicit);
}

static bool take_starttls(struct entry *entry, struct text const *value)
{
    (void)value;
    return !entry->implicit && set(&entry->starttls);
}

static bool take_clear_auth(struct entry *entry, struct text const *value)
{
    (void)value;
    return set(&entry->route->clear_auth);
}

static struct option {
    char const *name;
    bool has_value;
    bool (*take)(struct entry *entry, struct text const *value);
    char const *hint;
} const options[] = {
    {"tls", true, take_tls,
     "tls= takes none, may, encrypt, verify or verify=NAME, and stands there once"},
    {"auth", true, take_auth,
     "auth= takes a reference to authroutes (letters, digits, `.`, `-`, `_`, `@`), and stands "
     "there once"},
    {"implicit", false, take_implicit, "implicit stands there once, and without starttls"},
    {"starttls", false, take_starttls, "starttls stands there once, and without implicit"},
    {"clear-auth", false, take_clear_auth, "clear-auth stands there once"},
};

static char const *parse_option(struct entry *entry, struct text word)
{
    struct text name, value = word;
    bool const has_value = split(&name, &value, '=');
    if (*word.bytes == '#')
        return "a comment needs a line of its own";
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct option const *const option = options + i;
        if (strlen(option->name) == name.length && !memcmp(option->name, name.bytes, name.length) &&
            option->has_value == has_value)
            return option->take(entry, &value) ? NULL : option->hint;
    }
    return "the options are tls=LEVEL, implicit, starttls, auth=REFERENCE and clear-auth";
}

/* --- all of it --- */

/* What one option means for another. */
static char const *check(struct entry *entry)
{
    struct smtproute *const route = entry->route;
    enum tlspolicy_level const level = route->tls.level;
    for (unsigned int i = 0; i < route->count; i++) {
        struct smtproute_host *const host = route->hosts + i;
        if (smtproutes_is_socket(host->name))
            continue;
        if (entry->implicit && !entry->has_port[i])
            host->port = PORT_IMPLICIT;
        host->implicit = entry->implicit || (!entry->starttls && host->port == PORT_IMPLICIT);
        if (host->implicit && (level == TLSPOLICY_NONE || level == TLSPOLICY_MAY))
            return "where TLS begins at once (implicit, port 465), it is encrypt or verify";
        if (level == TLSPOLICY_VERIFY && !route->tls.name[0] && entry->is_address[i])
            return "a certificate has a name and no address: write tls=verify=NAME, or the host's "
                   "name";
    }
    if (entry->sockets == route->count &&
        (entry->implicit || entry->starttls || level != TLSPOLICY_UNSET || route->auth[0]))
        return "a socket of this host needs no TLS and no AUTH: these options are for hosts";
    if (route->auth[0] && route->by_mx)
        return "auth= needs a HOST: by MX a password would go to whomever the DNS names";
    if (route->clear_auth && !route->auth[0])
        return "clear-auth means nothing without auth=REFERENCE";
    if (route->auth[0] && level == TLSPOLICY_NONE && !route->clear_auth)
        return "a password goes out under TLS only: leave tls=none away, or add clear-auth";
    return NULL;
}

char const *smtproutes_parse(struct smtproute *route, char const *text, size_t length)
{
    struct entry entry = {.route = route};
    struct text hosts = {text, 0}, rest = {text, length}, word;
    memset(route, 0, sizeof *route);
    while (hosts.length < length && text[hosts.length] != ' ' && text[hosts.length] != '\t')
        hosts.length++;
    rest.bytes += hosts.length;
    rest.length -= hosts.length;
    char const *problem = parse_hosts(&entry, hosts);
    while (!problem && next_word(&word, &rest))
        problem = parse_option(&entry, word);
    return problem ? problem : check(&entry);
}

bool smtproutes_is_reference(char const *text, size_t length)
{
    if (length == 0 || length >= SMTPROUTES_REFERENCE_SIZE)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= 'A' && text[i] <= 'Z') &&
            !(text[i] >= '0' && text[i] <= '9') && (!text[i] || !strchr(".-_@", text[i])))
            return false;
    return true;
}

bool smtproutes_is_socket(char const *name)
{
    return name[0] == '/';
}

bool smtproutes_has_socket(struct smtproute const *route)
{
    for (unsigned int i = 0; i < route->count; i++)
        if (smtproutes_is_socket(route->hosts[i].name))
            return true;
    return false;
}

bool smtproutes_are_same(struct smtproute const *a, struct smtproute const *b)
{
    if (a->by_mx != b->by_mx || a->count != b->count || a->tls.level != b->tls.level ||
        strcmp(a->tls.name, b->tls.name) != 0 || strcmp(a->auth, b->auth) != 0 ||
        a->clear_auth != b->clear_auth)
        return false;
    for (unsigned int i = 0; i < a->count; i++)
        if (strcmp(a->hosts[i].name, b->hosts[i].name) != 0 ||
            a->hosts[i].port != b->hosts[i].port || a->hosts[i].implicit != b->hosts[i].implicit ||
            a->hosts[i].lmtp != b->hosts[i].lmtp)
            return false;
    return true;
}
