#include "lib/routing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <skalibs/bytestr.h>

#include "lib/address.h"
#include "lib/aliases.h"
#include "lib/control_host.h"
#include "lib/routing_entry.h"

#define KEY_MAX (ROUTING_MAILBOX_MAX + 1 + ADDRESS_DOMAIN_MAX)

/* A recipient on the way to its mailbox. */
struct search {
    struct routing const *routing;
    struct route *route;
    char const *domain;
    size_t domain_length;
    char name[ROUTING_MAILBOX_MAX]; /* LOCAL or PREFIX-LOCAL */
    size_t name_length;
    size_t prefix_length; /* of `PREFIX-`, 0 without */
};

enum control_result routing_load(struct routing *routing, struct control const *control,
                                 struct control_error *error)
{
    struct routing loaded = {.accounts = ACCOUNTS_ZERO};
    if (control_me(&loaded.me, control, error) == CONTROL_ERROR ||
        control_host(&loaded.localiphost, control, "localiphost", loaded.me, error) ==
            CONTROL_ERROR ||
        table_load(&loaded.locals, control, "locals", routing_entry_locals, error) ==
            CONTROL_ERROR ||
        table_load(&loaded.virtualdomains, control, "virtualdomains", routing_entry_virtualdomains,
                   error) == CONTROL_ERROR ||
        table_load(&loaded.users, control, "users", routing_entry_users, error) == CONTROL_ERROR ||
        table_load_form(&loaded.aliases, control, "aliases", TABLE_FOLDED, aliases_entry, error) ==
            CONTROL_ERROR ||
        accounts_load(&loaded.accounts, control, error) == CONTROL_ERROR) {
        routing_free(&loaded);
        return CONTROL_ERROR;
    }
    *routing = loaded;
    return CONTROL_OK;
}

void routing_free(struct routing *routing)
{
    free(routing->me);
    free(routing->localiphost);
    table_free(&routing->locals);
    table_free(&routing->virtualdomains);
    table_free(&routing->users);
    table_free(&routing->aliases);
    accounts_free(&routing->accounts);
    routing->me = routing->localiphost = 0;
}

static bool same_text(char const *text, size_t length, char const *word)
{
    return strlen(word) == length && !strncasecmp(text, word, length);
}

static bool is_reserved(char const *local, size_t length)
{
    return same_text(local, length, "postmaster") || same_text(local, length, "abuse") ||
           same_text(local, length, "mailer-daemon");
}

bool routing_is_local(struct routing const *routing, char const *domain, size_t length)
{
    char const *value;
    size_t value_length;
    if (!routing->locals.present)
        return same_text(domain, length, routing->me);
    return table_find(&routing->locals, domain, length, &value, &value_length);
}

/* Finds the prefix of a virtual address; false for one that is not virtual. */
static bool find_prefix(struct routing const *routing, char const *address, size_t length,
                        char const *domain, size_t domain_length, char const **prefix,
                        size_t *prefix_length)
{
    struct table const *table = &routing->virtualdomains;
    return (table_find(table, address, length, prefix, prefix_length) ||
            table_find_domain(table, domain, domain_length, prefix, prefix_length) ||
            table_find(table, "", 0, prefix, prefix_length)) &&
           *prefix_length > 0;
}

/* Appends TEXT in lower case to the mailbox. There is room: routing_entry bounds what a users entry
 * may be, and the search what it looks for. */
static void append_folded(char *mailbox, char const *text, size_t length)
{
    size_t end = strlen(mailbox);
    memcpy(mailbox + end, text, length);
    case_lowerb(mailbox + end, length);
    mailbox[end + length] = 0;
}

/* Looks NAME or, with AT_DOMAIN, NAME@DOMAIN up in TABLE. */
static bool find_name(struct search const *search, struct table const *table, char const *name,
                      size_t length, bool at_domain, char const **value, size_t *value_length)
{
    char key[KEY_MAX];
    if (length + 1 + search->domain_length > sizeof key)
        return false;
    memcpy(key, name, length);
    if (at_domain) {
        key[length++] = '@';
        memcpy(key + length, search->domain, search->domain_length);
        length += search->domain_length;
    }
    return table_find(table, key, length, value, value_length);
}

/* Finds the folder of NAME or NAME@DOMAIN in users, and puts it into the route. */
static bool find_user(struct search *search, char const *name, size_t length, bool at_domain)
{
    char *const mailbox = search->route->mailbox;
    char const *path;
    size_t path_length;
    if (!find_name(search, &search->routing->users, name, length, at_domain, &path, &path_length) ||
        path_length >= ROUTING_MAILBOX_MAX ||
        search->domain_length + 1 + length >= ROUTING_MAILBOX_MAX)
        return false;
    search->route->kind = ROUTE_MAILBOX;
    mailbox[0] = 0;
    if (path_length > 0) {
        memcpy(mailbox, path, path_length);
        mailbox[path_length] = 0;
        return true;
    }
    if (at_domain) {
        append_folded(mailbox, search->domain, search->domain_length);
        append_folded(mailbox, "/", 1);
    }
    append_folded(mailbox, name, length);
    return true;
}

static bool find_account(struct search *search, size_t length)
{
    char const *account;
    if (!accounts_find(&search->routing->accounts, search->name, length, &account))
        return false;
    memcpy(search->route->mailbox, account, strlen(account) + 1); /* at most ACCOUNTS_NAME_MAX */
    search->route->kind = ROUTE_SYSTEM;
    return true;
}

/* An alias with an owner: what bounces goes to the owner, and not to whoever wrote to the list. */
static void find_owner(struct search *search)
{
    char name[sizeof "owner-" + ROUTING_MAILBOX_MAX] = "owner-", *const owner =
                                                                     search->route->owner;
    size_t const local = search->name_length - search->prefix_length;
    size_t const length = sizeof "owner-" - 1 + local;
    char const *value;
    size_t value_length;
    memcpy(name + sizeof "owner-" - 1, search->name + search->prefix_length, local);
    if (length + 1 + search->domain_length >= ROUTING_OWNER_MAX ||
        (!find_name(search, &search->routing->aliases, name, length, true, &value, &value_length) &&
         !find_name(search, &search->routing->aliases, name, length, false, &value, &value_length)))
        return;
    memcpy(owner, name, length);
    owner[length] = '@';
    memcpy(owner + length + 1, search->domain, search->domain_length);
    owner[length + 1 + search->domain_length] = 0;
}

/* Takes the targets of an alias; NAME is empty for the catch-all of the domain. */
static bool find_alias(struct search *search, char const *name, size_t length, bool at_domain)
{
    struct route *const route = search->route;
    if (!find_name(search, &search->routing->aliases, name, length, at_domain, &route->targets,
                   &route->targets_length))
        return false;
    route->kind = ROUTE_ALIAS;
    find_owner(search);
    return true;
}

/* Tries the whole name in aliases; at any CUT the name up to there as a user or an account: what
 * follows the `-` is the extension. */
static bool find_at(struct search *search, size_t cut)
{
    char const *const local = search->name + search->prefix_length;
    size_t const local_length = cut > search->prefix_length ? cut - search->prefix_length : 0;
    if (cut == search->name_length && (find_alias(search, local, local_length, true) ||
                                       find_alias(search, search->name, cut, false)))
        return true;
    bool const found = (local_length > 0 && find_user(search, local, local_length, true)) ||
                       (cut > 0 && find_user(search, search->name, cut, false)) ||
                       (cut > 0 && find_account(search, cut));
    if (!found)
        return false;
    size_t extension = cut < search->name_length ? cut + 1 : cut;
    size_t length = search->name_length - extension;
    memcpy(search->route->extension, search->name + extension, length);
    search->route->extension[length] = 0;
    return true;
}

/* Tries the name cut at each `-` before END, the last first. */
static bool find_cut(struct search *search, size_t end)
{
    char const *dash;
    while ((dash = memrchr(search->name, '-', end))) {
        end = (size_t)(dash - search->name);
        if (find_at(search, end))
            return true;
    }
    return false;
}

static bool set_name(struct search *search, char const *prefix, size_t prefix_length,
                     char const *local, size_t local_length)
{
    size_t start = prefix_length ? prefix_length + 1 : 0;
    if (start + local_length >= sizeof search->name)
        return false;
    if (prefix_length > 0) {
        memcpy(search->name, prefix, prefix_length);
        search->name[prefix_length] = '-';
    }
    memcpy(search->name + start, local, local_length);
    search->prefix_length = start;
    search->name_length = start + local_length;
    return true;
}

/* postmaster, abuse, mailer-daemon: never cut (`mailer-daemon` is not `mailer`), never unknown. */
static void find_reserved(struct search *search, char const *prefix, size_t prefix_length)
{
    static char const postmaster[] = "postmaster";
    struct search other = *search;
    if (find_at(search, search->name_length))
        return;
    if (set_name(&other, prefix, prefix_length, postmaster, sizeof postmaster - 1) &&
        find_at(&other, other.name_length))
        return;
    if (prefix_length > 0 && find_cut(search, search->prefix_length))
        return;
    set_name(&other, 0, 0, postmaster, sizeof postmaster - 1);
    if (find_at(&other, other.name_length))
        return;
    search->route->kind = ROUTE_MAILBOX;
    memcpy(search->route->mailbox, postmaster, sizeof postmaster);
}

/* Finds the route of an address with a domain, LOCAL_LENGTH bytes before its `@`. OURS: it is one
 * of ours, whatever locals says. */
static void find_address(struct routing const *routing, char const *address, size_t length,
                         size_t local_length, bool ours, struct route *route)
{
    struct search search = {.routing = routing, .route = route};
    char const *prefix = 0;
    size_t prefix_length = 0;
    search.domain = address + local_length + 1;
    search.domain_length = length - local_length - 1;
    if (search.domain_length == 0 || search.domain_length > ADDRESS_DOMAIN_MAX ||
        search.domain[0] == '[')
        return;
    if (!routing_is_local(routing, search.domain, search.domain_length) &&
        !find_prefix(routing, address, length, search.domain, search.domain_length, &prefix,
                     &prefix_length) &&
        !ours &&
        !(same_text(address, local_length, "postmaster") &&
          same_text(search.domain, search.domain_length, routing->me)))
        return;
    route->kind = ROUTE_UNKNOWN;
    if (!routing_entry_is_local_part(address, local_length) ||
        !set_name(&search, prefix, prefix_length, address, local_length))
        return;
    if (is_reserved(address, local_length))
        find_reserved(&search, prefix, prefix_length);
    else if (!find_at(&search, search.name_length) && !find_cut(&search, search.name_length))
        find_alias(&search, "", 0, true);
}

void routing_find(struct routing const *routing, char const *address, size_t length,
                  struct route *route)
{
    char whole[KEY_MAX];
    char const *sign = length > 0 ? memrchr(address, '@', length) : 0;
    size_t me_length = strlen(routing->me);
    route->kind = ROUTE_REMOTE;
    route->mailbox[0] = route->extension[0] = route->owner[0] = 0;
    route->targets = 0;
    route->targets_length = 0;
    if (sign) {
        find_address(routing, address, length, (size_t)(sign - address), false, route);
    } else if (length > 0 && length + 1 + me_length <= sizeof whole) {
        memcpy(whole, address, length);
        whole[length] = '@';
        memcpy(whole + length + 1, routing->me, me_length);
        /* As `alias: name` means it, also on a host whose own name gets no mail. */
        find_address(routing, whole, length + 1 + me_length, length, true, route);
    }
}
