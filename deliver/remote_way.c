#include "deliver/remote_way.h"

#include "deliver/remote_exchangers.h"
#include "lib/domain_ascii.h"
#include "lib/log.h"

static bool has_credentials(struct remote_way *way, struct smtproute const *route,
                            struct remote_settings const *settings, struct failure *failure)
{
    struct log_line line;
    way->reference = route->auth;
    bool const refused = settings->credentials.refused;
    if (remote_credentials_find(&settings->credentials, route->auth, &way->user, &way->password))
        return true;
    log_begin(&line, "credentials-missing");
    log_text(&line, "reference", route->auth);
    log_text(&line, "host", way->host);
    log_text(&line, "reason",
             refused ? "authroutes was refused when it was read; see there"
                     : "authroutes has no line for this reference; add REFERENCE:USER:PASSWORD");
    log_write(&line);
    failure_set(failure, JOB_DEFERRED,
                refused ? "4.3.5 the credentials for the relay cannot be read; the log says why"
                        : "4.3.5 the credentials for the relay are not configured; the log says "
                          "which");
    return false;
}

/* By the name that the DNS has: who writes `bücher.example` must not get round what is said of
 * `xn--bcher-kva.example`. */
static void find_policy(struct tlspolicy *policy, struct table const *policies, char const *host)
{
    char name[REMOTE_NAME_MAX];
    switch (domain_ascii(name, sizeof name, host)) {
    case DOMAIN_ASCII_OK:
        tlspolicy_find(policy, policies, name);
        break;
    case DOMAIN_ASCII_NONE: /* an address, or what leads nowhere */
        tlspolicy_find(policy, policies, host);
        break;
    case DOMAIN_ASCII_NO_MEMORY:
        policy->level = TLSPOLICY_VERIFY;
        break;
    }
}

/* What the route itself says comes first. */
static void set_tls(struct remote_way *way, struct smtproute const *route,
                    struct table const *policies, struct tlspolicy *policy)
{
    *policy = route->tls;
    if (policy->level == TLSPOLICY_UNSET)
        find_policy(policy, policies, way->host);
    /* Before the policy for all others: that one is not meant for passwords. */
    if (policy->level == TLSPOLICY_UNSET && way->user)
        policy->level = way->clear_auth ? TLSPOLICY_MAY : TLSPOLICY_VERIFY;
    if (policy->level == TLSPOLICY_UNSET)
        tlspolicy_find_default(policy, policies);
    if (policy->level == TLSPOLICY_UNSET)
        policy->level = TLSPOLICY_MAY;
    if (way->implicit && policy->level < TLSPOLICY_ENCRYPT)
        policy->level = TLSPOLICY_ENCRYPT;
    way->level = policy->level;
    way->verify_name = policy->name;
}

bool remote_ways_make(struct remote_ways *ways, struct smtproute const *route,
                      struct remote_settings const *settings, struct failure *failure)
{
    *ways = (struct remote_ways){.count = route->count, .socket = smtproutes_has_socket(route)};
    for (unsigned int i = 0; i < route->count; i++) {
        struct remote_way *const way = ways->ways + i;
        *way = (struct remote_way){.host = route->hosts[i].name,
                                   .by_mx = route->by_mx,
                                   .lmtp = route->hosts[i].lmtp,
                                   .port = route->hosts[i].port,
                                   .implicit = route->hosts[i].implicit,
                                   .clear_auth = route->clear_auth};
        if (smtproutes_is_socket(way->host)) { /* what the options say is for hosts */
            way->level = TLSPOLICY_NONE;
            way->verify_name = "";
            continue;
        }
        if (route->auth[0] && !has_credentials(way, route, settings, failure))
            return false;
        set_tls(way, route, &settings->tlspolicy, ways->policies + i);
    }
    return true;
}
