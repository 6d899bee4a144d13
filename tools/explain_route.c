#include "tools/explain_route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/smtproutes.h"

static void add(stralloc *text, char const *bytes, size_t length)
{
    if (!stralloc_catb(text, bytes, length))
        abort();
}

static void add_text(stralloc *text, char const *words)
{
    add(text, words, strlen(words));
}

static void add_targets(stralloc *text, struct route const *route)
{
    add_text(text, "alias, goes on to ");
    for (size_t i = 0; i < route->targets_length; i++)
        if (route->targets[i] == '\n')
            add_text(text, ", ");
        else
            add(text, route->targets + i, 1);
}

static void add_host(stralloc *text, struct smtproute_host const *host)
{
    char port[16];
    if (host->lmtp)
        add_text(text, "lmtp:");
    add_text(text, host->name);
    if (!host->port)
        return;
    snprintf(port, sizeof port, " port %u", (unsigned int)host->port);
    add_text(text, port);
}

static enum control_result add_way(stralloc *text, struct control const *control,
                                   stralloc const *recipient, char const *sender,
                                   struct control_error *error)
{
    struct table routes = TABLE_ZERO;
    struct smtproute way;
    char const *const sign = memrchr(recipient->s, '@', recipient->len);
    if (smtproutes_load(&routes, control, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    if (!sign ||
        !smtproutes_find(&routes, sign + 1, recipient->len - (size_t)(sign + 1 - recipient->s),
                         sender, &way)) {
        add_text(text, "nowhere: the domain cannot be one");
    } else if (way.by_mx) {
        add_text(text, "another server: the mail exchangers of ");
        add_text(text, way.hosts[0].name);
    } else {
        add_text(text, "another server, by smtproutes: ");
        for (unsigned int i = 0; i < way.count; i++) {
            if (i)
                add_text(text, ", then ");
            add_host(text, way.hosts + i);
        }
    }
    table_free(&routes);
    return CONTROL_OK;
}

enum control_result explain_route(stralloc *text, struct control const *control,
                                  struct settings const *settings, stralloc const *recipient,
                                  char const *sender, struct control_error *error)
{
    struct route route;
    text->len = 0;
    routing_find(&settings->routing, recipient->s, recipient->len, &route);
    switch (route.kind) {
    case ROUTE_MAILBOX:
    case ROUTE_SYSTEM:
        add_text(text, route.kind == ROUTE_MAILBOX ? "mailbox " : "account ");
        add_text(text, route.mailbox);
        if (route.extension[0]) {
            add_text(text, ", extension ");
            add_text(text, route.extension);
        }
        return CONTROL_OK;
    case ROUTE_ALIAS:
        add_targets(text, &route);
        return CONTROL_OK;
    case ROUTE_UNKNOWN:
        add_text(text, "nowhere: there is no such mailbox");
        return CONTROL_OK;
    case ROUTE_REMOTE:
    default:
        return add_way(text, control, recipient, sender, error);
    }
}
