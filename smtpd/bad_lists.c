#include "smtpd/bad_lists.h"

#include "lib/address_list.h"
#include "lib/domain_ascii.h"
#include "smtpd/policy_ask.h"

static bool has(struct connection const *connection, enum policy_rule rule,
                struct table const *list, struct address const *address)
{
    unsigned int const line = address_list_find(list, address->bytes, address->length);
    return policy_ask_line(connection, rule, line != 0, line);
}

bool bad_lists_has_sender(struct connection const *connection, struct address const *sender)
{
    return has(connection, POLICY_BADMAILFROM, &connection->settings->badmailfrom, sender);
}

bool bad_lists_has_recipient(struct connection const *connection, struct address const *recipient)
{
    struct table const *const list = &connection->settings->badrcptto;
    return list->present && !policy_is_exempt(connection) &&
           has(connection, POLICY_BADRCPTTO, list, recipient);
}

/* As rcpthosts: the name itself, or `.parent` of it. */
enum policy_rule policy_hello(struct connection const *connection, char const *name, size_t length)
{
    struct table const *const list = &connection->settings->badhelo;
    char const *value;
    size_t value_length;
    if (!list->present || policy_is_exempt(connection))
        return POLICY_WELCOME;
    char key[TABLE_KEY_MAX];
    length = domain_key(key, sizeof key, name, address_rootless(name, length));
    bool const bad = table_find_domain(list, key, length, &value, &value_length);
    return policy_ask_line(connection, POLICY_BADHELO, bad, bad ? table_line(value) : 0)
               ? POLICY_BADHELO
               : POLICY_WELCOME;
}
