#include "smtpd/policy.h"

#include <string.h>
#include <time.h>

#include <skalibs/bytestr.h>

#include "lib/ip.h"
#include "lib/network.h"
#include "lib/routing.h"
#include "lib/table.h"
#include "smtpd/bad_lists.h"
#include "smtpd/bounce_policy.h"
#include "smtpd/login_policy.h"
#include "smtpd/policy_ask.h"

enum policy_rule policy_connect(struct connection const *connection)
{
    return policy_ask_networks(connection, POLICY_BADCLIENTS, &connection->settings->badclients)
               ? POLICY_BADCLIENTS
               : POLICY_WELCOME;
}

/* A name without a dot means something else elsewhere, unless it is ours (RFC 6409 4.2). */
static bool is_incomplete(struct settings const *settings, struct address const *address)
{
    size_t length, value_length;
    char const *const domain = address_domain(address, &length);
    char const *value;
    return address->domain == ADDRESS_DOMAIN_NAME && !memchr(domain, '.', length) &&
           !routing_is_local(&settings->routing, domain, length) &&
           !table_find_domain(&settings->rcpthosts, domain, length, &value, &value_length) &&
           !table_find_domain(&settings->morercpthosts, domain, length, &value, &value_length);
}

static bool is_login_sender(struct connection const *connection, char const *login,
                            struct address const *sender)
{
    unsigned int line;
    bool const allowed =
        login_policy_allows(connection->settings, login, sender->bytes, sender->length, &line);
    if (allowed && !line) /* its own */
        return !policy_ask(connection, POLICY_SENDER_FOREIGN, false);
    return !policy_ask_line(connection, POLICY_SENDER_FOREIGN, !allowed, line);
}

enum policy_rule policy_sender(struct connection const *connection, char const *login,
                               struct address const *sender)
{
    struct settings const *const settings = connection->settings;
    if (sender->length == 0)
        return POLICY_WELCOME;
    if (policy_ask(connection, POLICY_SENDER_WITHOUT_DOMAIN, sender->domain == ADDRESS_DOMAIN_NONE))
        return POLICY_SENDER_WITHOUT_DOMAIN;
    if (bad_lists_has_sender(connection, sender))
        return POLICY_BADMAILFROM;
    if (connection->role != ROLE_MX &&
        policy_ask(connection, POLICY_SENDER_INCOMPLETE, is_incomplete(settings, sender)))
        return POLICY_SENDER_INCOMPLETE;
    if (login[0] && !is_login_sender(connection, login, sender))
        return POLICY_SENDER_FOREIGN;
    return POLICY_WELCOME;
}

/* The literal of the address at which the client has reached us means localiphost, and is replaced
 * by it before any rule looks at it: no rule is passed by another spelling of a recipient. */
static void resolve_our_literal(struct connection const *connection, struct address *address)
{
    char const *const host = connection->settings->routing.localiphost;
    size_t const host_length = strlen(host);
    size_t length;
    char const *const domain = address_domain(address, &length);
    ip46 ip;
    if (address->domain != ADDRESS_DOMAIN_LITERAL || !connection->has_remote ||
        !address_literal_ip(domain, length, &ip) || !ip_is_same(&ip, &connection->local) ||
        host_length > ADDRESS_MAX - address->local_length - 1)
        return;
    address->length = address->local_length + 1;
    memcpy(address->bytes + address->length, host, host_length + 1);
    address->length += host_length;
    address->domain = ADDRESS_DOMAIN_NAME;
}

/* False when it would not fit: settings hold names that are longer than any domain. */
static bool append(struct policy_recipient *recipient, char const *bytes, size_t length)
{
    if (length > POLICY_RECIPIENT_MAX - recipient->length)
        return false;
    memcpy(recipient->bytes + recipient->length, bytes, length);
    recipient->length += length;
    recipient->bytes[recipient->length] = 0;
    return true;
}

static bool compose(struct policy_recipient *recipient, struct address const *address,
                    char const *domain, size_t domain_length, char const *suffix)
{
    recipient->length = 0;
    return append(recipient, address->bytes, address->local_length) && append(recipient, "@", 1) &&
           append(recipient, domain, domain_length) && append(recipient, suffix, strlen(suffix));
}

static enum policy_rule accept_postmaster(struct connection const *connection,
                                          struct address const *address,
                                          struct policy_recipient *recipient)
{
    char const *me = connection->settings->routing.me;
    bool const postmaster = case_equalb(address->bytes, address->length, "postmaster") &&
                            address->length == strlen("postmaster") &&
                            compose(recipient, address, me, strlen(me), "");
    if (policy_ask(connection, POLICY_RECIPIENT_WITHOUT_DOMAIN, !postmaster))
        return POLICY_RECIPIENT_WITHOUT_DOMAIN;
    return POLICY_POSTMASTER;
}

/* A rule by the control file that is TABLE. */
static bool is_accepted(struct connection const *connection, enum policy_rule rule,
                        struct table const *table, char const *domain, size_t length)
{
    char const *value;
    size_t value_length;
    bool const found = table_find_domain(table, domain, length, &value, &value_length);
    return policy_ask_line(connection, rule, found, found ? table_line(value) : 0);
}

bool policy_is_exempt(struct connection const *connection)
{
    return connection->role != ROLE_MX || connection->relayclient ||
           (connection->has_remote &&
            networks_contain(&connection->settings->relayclients, &connection->remote));
}

/* Where users log in, nothing else gives the right: relayclients are for port 25. */
static enum policy_rule find_right(struct connection const *connection, char const *login,
                                   char const *domain, size_t length, bool foreign_literal)
{
    struct settings const *settings = connection->settings;
    if (login[0] && policy_ask(connection, POLICY_LOGIN, true))
        return POLICY_LOGIN;
    if (connection->relayclient && connection->role == ROLE_MX &&
        policy_ask(connection, POLICY_RELAYCLIENT, true))
        return POLICY_RELAYCLIENT;
    if (connection->role == ROLE_MX &&
        policy_ask_networks(connection, POLICY_RELAYCLIENTS, &settings->relayclients))
        return POLICY_RELAYCLIENTS;
    if (foreign_literal && policy_ask(connection, POLICY_FOREIGN_LITERAL, true))
        return POLICY_FOREIGN_LITERAL;
    if (is_accepted(connection, POLICY_RCPTHOSTS, &settings->rcpthosts, domain, length))
        return POLICY_RCPTHOSTS;
    if (is_accepted(connection, POLICY_MORERCPTHOSTS, &settings->morercpthosts, domain, length))
        return POLICY_MORERCPTHOSTS;
    policy_ask(connection, POLICY_NO_RELAY, true);
    return POLICY_NO_RELAY;
}

/* An address that stands for the sender of forwarded mail. Whoever writes to it: reports come from
 * the null sender, but answers of programs and of people come from theirs, and it is the signature
 * that gives the right. */
static bool is_rewritten(struct settings const *settings, struct address const *address)
{
    size_t length;
    char const *const domain = address_domain(address, &length);
    return secret_file_is_on(&settings->srs.keys) && length == strlen(settings->srs.domain) &&
           !case_diffb(domain, length, settings->srs.domain) &&
           address_is_rewritten(address->bytes, address->local_length);
}

/* False: it would be here, and is not. */
static bool has_mailbox(struct connection const *connection,
                        struct policy_recipient const *recipient)
{
    struct route route;
    routing_find(&connection->settings->routing, recipient->bytes, recipient->length, &route);
    return !policy_ask(connection, POLICY_NO_SUCH_MAILBOX, route.kind == ROUTE_UNKNOWN);
}

static enum policy_rule reverse(struct connection const *connection, struct address const *address,
                                struct policy_recipient *recipient)
{
    struct settings const *const settings = connection->settings;
    char original[SRS_SIZE];
    struct secret_keys const keys = secret_file_keys(&settings->srs.keys);
    if (policy_ask(connection, POLICY_SRS_UNUSABLE, settings->srs.keys.refused))
        return POLICY_SRS_UNUSABLE;
    recipient->length = 0;
    bool const ours =
        srs_reverse(original, &keys, address->bytes, address->local_length, time(NULL)) == SRS_OK &&
        append(recipient, original, strlen(original));
    if (policy_ask(connection, POLICY_SRS_INVALID, !ours))
        return POLICY_SRS_INVALID;
    return has_mailbox(connection, recipient) ? POLICY_SRS : POLICY_NO_SUCH_MAILBOX;
}

static enum policy_rule judge_recipient(struct connection const *connection, char const *login,
                                        struct address const *address,
                                        struct policy_recipient *recipient)
{
    size_t length;
    char const *const domain = address_domain(address, &length);

    if (policy_ask(connection, POLICY_NULL_RECIPIENT, address->length == 0))
        return POLICY_NULL_RECIPIENT;
    if (address->domain == ADDRESS_DOMAIN_NONE)
        return accept_postmaster(connection, address, recipient);
    if (bad_lists_has_recipient(connection, address))
        return POLICY_BADRCPTTO;
    if (is_rewritten(connection->settings, address))
        return reverse(connection, address, recipient);
    if (connection->role != ROLE_MX && policy_ask(connection, POLICY_RECIPIENT_INCOMPLETE,
                                                  is_incomplete(connection->settings, address)))
        return POLICY_RECIPIENT_INCOMPLETE;
    enum policy_rule rule =
        find_right(connection, login, domain, length, address->domain == ADDRESS_DOMAIN_LITERAL);
    if (!policy_accepts(rule))
        return rule;
    char const *suffix = rule == POLICY_RELAYCLIENT ? connection->relay_suffix : "";
    if (!compose(recipient, address, domain, length, suffix))
        return POLICY_NO_RELAY;
    return has_mailbox(connection, recipient) ? rule : POLICY_NO_SUCH_MAILBOX;
}

static enum policy_rule judge(struct connection const *connection, char const *login, bool bounce,
                              struct address *address, struct policy_recipient *recipient)
{
    resolve_our_literal(connection, address);
    enum policy_rule const tag = bounce_policy_unwrap(connection, address);
    if (!policy_accepts(tag))
        return tag;
    enum policy_rule const rule = judge_recipient(connection, login, address, recipient);
    return bounce && tag != POLICY_BATV ? bounce_policy_check(connection, rule, address) : rule;
}

enum policy_rule policy_recipient(struct connection const *connection, char const *login,
                                  bool bounce, struct address *address,
                                  struct policy_recipient *recipient)
{
    enum policy_rule const rule = judge(connection, login, bounce, address, recipient);
    if (connection->trace && policy_accepts(rule))
        connection->trace->recipient(recipient->bytes, recipient->length);
    return rule;
}
