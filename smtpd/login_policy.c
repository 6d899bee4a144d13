#include "smtpd/login_policy.h"

#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/address.h"
#include "lib/header_address.h"
#include "lib/routing.h"

static bool equals(char const *one, size_t length, char const *other, size_t other_length)
{
    return length == other_length && case_diffb(one, length, other) == 0;
}

/* True when ADDRESS is a mailbox or an account: then *route names it. */
static bool has_mailbox(struct settings const *settings, char const *address, size_t length,
                        struct route *route)
{
    routing_find(&settings->routing, address, length, route);
    return route->kind == ROUTE_MAILBOX || route->kind == ROUTE_SYSTEM;
}

static bool is_own(struct settings const *settings, char const *login, char const *address,
                   size_t length)
{
    struct route own, other;
    char const *const sign = memrchr(address, '@', length);
    size_t const login_length = strlen(login), local_length = (size_t)(sign - address);
    /* A login that is only an extension of a mailbox (`name-extension`) does not have the mailbox.
     */
    bool const mine = has_mailbox(settings, login, login_length, &own) && !own.extension[0];
    bool const theirs = has_mailbox(settings, address, length, &other);
    if (mine && theirs)
        return own.kind == other.kind && !strcmp(own.mailbox, other.mailbox);
    if (strchr(login, '@'))
        return equals(address, length, login, login_length);
    return equals(address, local_length, login, login_length) &&
           routing_is_local(&settings->routing, sign + 1, length - local_length - 1);
}

static bool is_listed(struct settings const *settings, char const *login, char const *sender,
                      size_t length, unsigned int *line)
{
    size_t const login_length = strlen(login);
    char const *value;
    size_t value_length;
    char key[TABLE_KEY_MAX];
    if (login_length + 1 + length > sizeof key)
        return false;
    memcpy(key, login, login_length);
    key[login_length] = ':';
    memcpy(key + login_length + 1, sender, length);
    if (!table_find(&settings->authsenders, key, login_length + 1 + length, &value, &value_length))
        return false;
    *line = table_line(value);
    return true;
}

bool login_policy_allows(struct settings const *settings, char const *login, char const *address,
                         size_t length, unsigned int *line)
{
    *line = 0;
    char const *const sign = length > 0 ? memrchr(address, '@', length) : 0;
    if (!sign || sign == address)
        return false;
    return is_own(settings, login, address, length) ||
           is_listed(settings, login, address, length, line) ||
           is_listed(settings, login, sign, length - (size_t)(sign - address), line) ||
           is_listed(settings, login, "*", 1, line);
}

enum policy_rule login_policy_from(struct settings const *settings, char const *login,
                                   char const *value, size_t length)
{
    struct header_address_list list;
    struct header_address address;
    unsigned int line;
    enum policy_rule rule = POLICY_FROM_SYNTAX; /* until there is one */
    header_address_start(&list, value, length);
    for (;;) {
        switch (header_address_next(&list, &address)) {
        case HEADER_ADDRESS_END:
            return rule;
        case HEADER_ADDRESS_SYNTAX:
        case HEADER_ADDRESS_TOO_LONG:
            return POLICY_FROM_SYNTAX;
        case HEADER_ADDRESS_ONE:
            if (!login_policy_allows(settings, login, address.bytes, address.length, &line))
                return POLICY_FROM_FOREIGN;
            rule = POLICY_WELCOME;
        }
    }
}
