#include "deliver/remote_exchangers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/remote_name.h"
#include "lib/address.h"

/* A host that mail could go to. */
struct host {
    uint16_t preference;
    uint32_t order; /* random: among those of one preference */
    char const *name;
    struct dns_answer const *ipv6, *ipv4;
    bool ours;
};
struct hosts {
    struct host entries[REMOTE_LOOKED_AT_MAX];
    unsigned int count;
};

struct look_up {
    struct remote_world const *world;
    struct remote_candidates *candidates;
    char const *host; /* as it was given, for texts */
    bool by_mx;
    tain const *deadline;
    struct failure *failure;
};

/* Sets the failure "CODE HOST TEXT" and returns false. */
static bool fail(struct look_up const *look_up, enum job_result result, char const *code,
                 char const *text)
{
    char whole[JOB_TEXT_MAX + 1];
    snprintf(whole, sizeof whole, "%s %s %s", code, look_up->host, text);
    failure_set(look_up->failure, result, whole);
    return false;
}

static bool fail_temporary(struct look_up const *look_up, struct dns_answer const *answer)
{
    char text[128];
    snprintf(text, sizeof text, "cannot be looked up in the DNS at present: %s",
             answer->reason ? answer->reason : "no answer");
    return fail(look_up, JOB_DEFERRED, "4.4.3", text);
}

/* What a smtproute says may be mended while the mail waits. */
static bool fail_unknown(struct look_up const *look_up, char const *code, char const *text)
{
    char hint[128];
    if (look_up->by_mx)
        return fail(look_up, JOB_FAILED, code, text);
    snprintf(hint, sizeof hint, "%s: smtproutes sends the mail there", text);
    return fail(look_up, JOB_DEFERRED, "4.3.5", hint);
}

static bool is_equal(ip46 const *left, ip46 const *right)
{
    return ip46_is6(left) == ip46_is6(right) &&
           memcmp(left->ip, right->ip, ip46_is6(left) ? 16 : 4) == 0;
}

static bool has_candidate(struct remote_candidates const *candidates, ip46 const *ip)
{
    for (unsigned int i = 0; i < candidates->count; i++)
        if (is_equal(&candidates->entries[i].ip, ip))
            return true;
    return false;
}

/* Adds IP; true when it counts against what its host may have. */
static bool add_candidate(struct remote_candidates *candidates, ip46 const *ip, char const *name)
{
    if (candidates->count == REMOTE_ADDRESSES_MAX || has_candidate(candidates, ip))
        return false;
    struct remote_candidate *const candidate = candidates->entries + candidates->count++;
    candidate->ip = *ip;
    snprintf(candidate->host, sizeof candidate->host, "%s", name);
    return true;
}

/* --- addresses --- */

static void shuffle(struct remote_world const *world, struct dns_answer *answer)
{
    uint32_t numbers[DNS_RECORDS_MAX];
    if (answer->count < 2 || answer->count > DNS_RECORDS_MAX)
        return;
    world->random(numbers, answer->count * sizeof *numbers);
    for (size_t left = answer->count; left > 1; left--) {
        size_t const chosen = numbers[left - 1] % left;
        struct dns_record const record = answer->records[chosen];
        answer->records[chosen] = answer->records[left - 1];
        answer->records[left - 1] = record;
    }
}

static bool has_ours(struct remote_ourselves const *ourselves, struct dns_answer const *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        if (remote_ourselves_have(ourselves, &answer->records[i].ip))
            return true;
    return false;
}

/* IPv6 and IPv4 by turns, at most QUOTA of them. */
static void add_host(struct remote_candidates *candidates, struct host const *host,
                     unsigned int quota)
{
    for (size_t i = 0; quota && (i < host->ipv6->count || i < host->ipv4->count); i++) {
        if (i < host->ipv6->count)
            quota -= add_candidate(candidates, &host->ipv6->records[i].ip, host->name);
        if (quota && i < host->ipv4->count)
            quota -= add_candidate(candidates, &host->ipv4->records[i].ip, host->name);
    }
}

static bool has_address(struct host const *host)
{
    return host->ipv6->count || host->ipv4->count;
}

/* The answer that says that more may be known later; NULL: this host has none, or has addresses. */
static struct dns_answer const *temporary_of(struct host const *host)
{
    if (has_address(host))
        return NULL;
    if (host->ipv6->status == DNS_TEMPORARY)
        return host->ipv6;
    return host->ipv4->status == DNS_TEMPORARY ? host->ipv4 : NULL;
}

/* How many hosts stay: those before the first of ours and of better preference. HOSTS is in order.
 */
static unsigned int count_before_ours(struct hosts const *hosts)
{
    unsigned int first = 0;
    while (first < hosts->count && !hosts->entries[first].ours)
        first++;
    if (first == hosts->count)
        return first;
    while (first > 0 && hosts->entries[first - 1].preference == hosts->entries[first].preference)
        first--;
    return first;
}

static bool choose(struct look_up *look_up, struct hosts const *hosts)
{
    unsigned int const kept = count_before_ours(hosts);
    unsigned int usable = 0, added = 0;
    struct dns_answer const *temporary = NULL;
    for (unsigned int i = 0; i < kept; i++) {
        usable += has_address(hosts->entries + i);
        if (!temporary)
            temporary = temporary_of(hosts->entries + i);
    }
    if (usable > REMOTE_HOSTS_MAX)
        usable = REMOTE_HOSTS_MAX;
    for (unsigned int i = 0; i < kept && added < usable; i++)
        if (has_address(hosts->entries + i)) {
            add_host(look_up->candidates, hosts->entries + i, REMOTE_ADDRESSES_MAX / usable);
            added++;
        }
    if (look_up->candidates->count)
        return true;
    if (temporary)
        return fail_temporary(look_up, temporary);
    if (kept < hosts->count)
        return fail(look_up, JOB_FAILED, "5.4.6",
                    "leads back to this host, which does not take its mail: a mail loop");
    return fail_unknown(look_up, "5.4.4", "has no host with an address");
}

/* Asks for the addresses of HOSTS, all at the same time, and chooses. */
static bool find_addresses(struct look_up *look_up, struct hosts *hosts)
{
    struct dns_question questions[2 * REMOTE_LOOKED_AT_MAX];
    struct dns_answer answers[2 * REMOTE_LOOKED_AT_MAX];
    struct remote_world const *const world = look_up->world;
    for (unsigned int i = 0; i < hosts->count; i++) {
        questions[2 * i] = (struct dns_question){hosts->entries[i].name, DNS_AAAA};
        questions[2 * i + 1] = (struct dns_question){hosts->entries[i].name, DNS_A};
    }
    world->ask(world->context, questions, answers, 2 * hosts->count, look_up->deadline);
    for (unsigned int i = 0; i < hosts->count; i++) {
        struct host *const host = hosts->entries + i;
        host->ipv6 = answers + 2 * i;
        host->ipv4 = answers + 2 * i + 1;
        host->ours = look_up->by_mx && (has_ours(world->ourselves, host->ipv6) ||
                                        has_ours(world->ourselves, host->ipv4));
        shuffle(world, answers + 2 * i);
        shuffle(world, answers + 2 * i + 1);
    }
    bool const found = choose(look_up, hosts);
    for (unsigned int i = 0; i < 2 * hosts->count; i++)
        dns_answer_free(answers + i);
    return found;
}

/* --- exchangers --- */

static int compare(void const *left_host, void const *right_host)
{
    struct host const *const left = left_host, *const right = right_host;
    if (left->preference != right->preference)
        return left->preference < right->preference ? -1 : 1;
    return (left->order > right->order) - (left->order < right->order);
}

static bool has_name(struct hosts const *hosts, char const *name)
{
    for (unsigned int i = 0; i < hosts->count; i++)
        if (!strcmp(hosts->entries[i].name, name))
            return true;
    return false;
}

/* The best hosts of ANSWER, each once; what is no host name cannot have an address. */
static void take_exchangers(struct hosts *hosts, struct remote_world const *world,
                            struct dns_answer const *answer)
{
    static struct host all[DNS_RECORDS_MAX];
    uint32_t numbers[DNS_RECORDS_MAX];
    size_t const count = answer->count < DNS_RECORDS_MAX ? answer->count : DNS_RECORDS_MAX;
    world->random(numbers, count * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        all[i] = (struct host){.preference = answer->records[i].preference,
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

static bool find_host(struct look_up *look_up, char const *name)
{
    struct hosts hosts = {.entries = {{.preference = 0, .name = name}}, .count = 1};
    return find_addresses(look_up, &hosts);
}

static bool find_exchangers(struct look_up *look_up, char const *name,
                            struct dns_answer const *answer)
{
    struct hosts hosts;
    switch (answer->status) {
    case DNS_OK:
        break;
    case DNS_NO_DATA: /* RFC 5321 5.1: the domain itself is its exchanger */
        return find_host(look_up, name);
    case DNS_NO_NAME:
    case DNS_BAD_NAME:
        return fail(look_up, JOB_FAILED, "5.1.2", "does not exist: there is no such domain");
    case DNS_TEMPORARY:
    default:
        return fail_temporary(look_up, answer);
    }
    if (is_null_mx(answer))
        return fail(look_up, JOB_FAILED, "5.1.10", "takes no mail (null MX, RFC 7505)");
    take_exchangers(&hosts, look_up->world, answer);
    return find_addresses(look_up, &hosts);
}

static bool find_by_mx(struct look_up *look_up, char const *name)
{
    struct remote_world const *const world = look_up->world;
    struct dns_question const question = {name, DNS_MX};
    struct dns_answer answer;
    world->ask(world->context, &question, &answer, 1, look_up->deadline);
    bool const found = find_exchangers(look_up, name, &answer);
    dns_answer_free(&answer);
    return found;
}

/* --- where there is nothing to ask --- */

static bool find_literal(struct look_up *look_up)
{
    ip46 ip;
    char text[IP46_FMT + 1];
    if (!address_literal_ip(look_up->host, strlen(look_up->host), &ip))
        return fail(look_up, JOB_FAILED, "5.1.2", "is no address");
    if (remote_ourselves_have(look_up->world->ourselves, &ip))
        return fail(look_up, JOB_FAILED, "5.4.6",
                    "is this host, which does not take its mail: a mail loop");
    text[ip46_fmt(text, &ip)] = 0;
    return add_candidate(look_up->candidates, &ip, text);
}

static bool scan_ip(char const *text, ip46 *ip)
{
    char bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1)
        return ip46_from_ip4(ip, bytes);
    return inet_pton(AF_INET6, text, bytes) == 1 && ip46_from_ip6(ip, bytes);
}

bool remote_exchangers_find(struct remote_candidates *candidates, struct remote_world const *world,
                            char const *host, bool by_mx, tain const *deadline,
                            struct failure *failure)
{
    struct look_up look_up = {.world = world,
                              .candidates = candidates,
                              .host = host,
                              .by_mx = by_mx,
                              .deadline = deadline,
                              .failure = failure};
    char name[REMOTE_NAME_MAX];
    ip46 ip;
    candidates->count = 0;
    if (by_mx && host[0] == '[')
        return find_literal(&look_up);
    if (!by_mx && scan_ip(host, &ip))
        return add_candidate(candidates, &ip, host);
    if (!remote_name_ascii(name, sizeof name, host))
        return fail_unknown(&look_up, "5.1.2", "is no domain");
    return by_mx ? find_by_mx(&look_up, name) : find_host(&look_up, name);
}
