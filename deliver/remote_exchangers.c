#include "deliver/remote_exchangers.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/remote_hosts.h"
#include "lib/address.h"
#include "lib/domain_ascii.h"
#include "lib/smtproutes.h"

static int compare(void const *left_host, void const *right_host)
{
    struct remote_host const *const left = left_host, *const right = right_host;
    if (left->preference != right->preference)
        return left->preference < right->preference ? -1 : 1;
    return (left->order > right->order) - (left->order < right->order);
}

static bool has_name(struct remote_hosts const *hosts, char const *name)
{
    for (unsigned int i = 0; i < hosts->count; i++)
        if (!strcmp(hosts->entries[i].name, name))
            return true;
    return false;
}

/* The best hosts of ANSWER, each once; what is no host name cannot have an address. */
static void take_exchangers(struct remote_hosts *hosts, struct remote_world const *world,
                            struct dns_answer const *answer)
{
    static struct remote_host all[DNS_RECORDS_MAX];
    uint32_t numbers[DNS_RECORDS_MAX];
    size_t const count = answer->count < DNS_RECORDS_MAX ? answer->count : DNS_RECORDS_MAX;
    world->random(numbers, count * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        all[i] = (struct remote_host){.preference = answer->records[i].preference,
                                      .order = numbers[i],
                                      .name = answer->records[i].text};
    qsort(all, count, sizeof *all, compare);
    hosts->count = 0;
    for (size_t i = 0; i < count && hosts->count < REMOTE_LOOKED_AT_MAX; i++)
        if (address_is_domain(all[i].name, strlen(all[i].name), false) &&
            !has_name(hosts, all[i].name))
            hosts->entries[hosts->count++] = all[i];
}

/* RFC 7505: one record, with the root as its host. */
static bool is_null_mx(struct dns_answer const *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        if (answer->records[i].text[0])
            return false;
    return true;
}

static bool find_host(struct remote_look_up *look_up, char const *name)
{
    struct remote_hosts hosts = {.entries = {{.preference = 0, .name = name}}, .count = 1};
    return remote_hosts_find(look_up, &hosts);
}

static bool find_exchangers(struct remote_look_up *look_up, char const *name,
                            struct dns_answer const *answer)
{
    struct remote_hosts hosts;
    switch (answer->status) {
    case DNS_OK:
        break;
    case DNS_NO_DATA: /* RFC 5321 5.1: the domain itself is its exchanger */
        return find_host(look_up, name);
    case DNS_NO_NAME:
    case DNS_BAD_NAME:
        return remote_look_up_fail(look_up, JOB_FAILED, "5.1.2",
                                   "does not exist: there is no such domain");
    case DNS_TEMPORARY:
    default:
        return remote_look_up_fail_temporary(look_up, answer);
    }
    if (is_null_mx(answer))
        return remote_look_up_fail(look_up, JOB_FAILED, "5.1.10",
                                   "takes no mail (null MX, RFC 7505)");
    take_exchangers(&hosts, look_up->world, answer);
    return remote_hosts_find(look_up, &hosts);
}

static bool find_by_mx(struct remote_look_up *look_up, char const *name)
{
    struct remote_world const *const world = look_up->world;
    struct dns_question const question = {name, DNS_MX};
    struct dns_answer answer;
    world->ask(world->context, &question, &answer, 1, look_up->deadline);
    look_up->candidates->authenticated = answer.authenticated;
    bool const found = find_exchangers(look_up, name, &answer);
    dns_answer_free(&answer);
    return found;
}

/* --- where there is nothing to ask --- */

static bool find_literal(struct remote_look_up *look_up)
{
    ip46 ip;
    char text[IP46_FMT + 1];
    if (!address_literal_ip(look_up->host, strlen(look_up->host), &ip))
        return remote_look_up_fail(look_up, JOB_FAILED, "5.1.2", "is no address");
    if (remote_ourselves_have(look_up->world->ourselves, &ip))
        return remote_look_up_fail(look_up, JOB_FAILED, "5.4.6",
                                   "is this host, which does not take its mail: a mail loop");
    text[ip46_fmt(text, &ip)] = 0;
    return remote_candidates_add(look_up->candidates, &ip, text);
}

static bool scan_ip(char const *text, ip46 *ip)
{
    char bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1)
        return ip46_from_ip4(ip, bytes);
    return inet_pton(AF_INET6, text, bytes) == 1 && ip46_from_ip6(ip, bytes);
}

/* RFC 6761 6.3: not every name server knows it. */
static bool find_localhost(struct remote_look_up *look_up, char const *name)
{
    ip46 ip;
    return scan_ip("::1", &ip) && remote_candidates_add(look_up->candidates, &ip, name) &&
           scan_ip("127.0.0.1", &ip) && remote_candidates_add(look_up->candidates, &ip, name);
}

bool remote_exchangers_find(struct remote_candidates *candidates, struct remote_world const *world,
                            char const *host, bool by_mx, tain const *deadline,
                            struct failure *failure)
{
    struct remote_look_up look_up = {.world = world,
                                     .candidates = candidates,
                                     .host = host,
                                     .by_mx = by_mx,
                                     .deadline = deadline,
                                     .failure = failure};
    char name[REMOTE_NAME_MAX];
    ip46 ip;
    candidates->count = 0;
    candidates->authenticated = false;
    if (!by_mx && smtproutes_is_socket(host))
        return scan_ip("0.0.0.0", &ip) && remote_candidates_add(candidates, &ip, host);
    if (by_mx && host[0] == '[')
        return find_literal(&look_up);
    if (!by_mx && scan_ip(host, &ip))
        return remote_candidates_add(candidates, &ip, host);
    switch (domain_ascii(name, sizeof name, host)) {
    case DOMAIN_ASCII_NONE:
        return remote_look_up_fail_unknown(&look_up, "5.1.2", "is no domain");
    case DOMAIN_ASCII_NO_MEMORY:
        return remote_look_up_fail(&look_up, JOB_DEFERRED, "4.3.0", "found no memory");
    case DOMAIN_ASCII_OK:
        break;
    }
    if (!by_mx && !strcmp(name, "localhost"))
        return find_localhost(&look_up, name);
    return by_mx ? find_by_mx(&look_up, name) : find_host(&look_up, name);
}
