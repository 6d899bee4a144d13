#include "deliver/remote_hosts.h"

#include <stdio.h>
#include <string.h>

bool remote_look_up_fail(struct remote_look_up const *look_up, enum job_result result,
                         char const *code, char const *text)
{
    char whole[JOB_TEXT_MAX + 1];
    snprintf(whole, sizeof whole, "%s %s %s", code, look_up->host, text);
    failure_set(look_up->failure, result, whole);
    return false;
}

bool remote_look_up_fail_temporary(struct remote_look_up const *look_up,
                                   struct dns_answer const *answer)
{
    char text[128];
    snprintf(text, sizeof text, "cannot be looked up in the DNS at present: %s",
             answer->reason ? answer->reason : "no answer");
    return remote_look_up_fail(look_up, JOB_UNREACHABLE, "4.4.3", text);
}

/* What a smtproute says may be mended while the mail waits. */
bool remote_look_up_fail_unknown(struct remote_look_up const *look_up, char const *code,
                                 char const *text)
{
    char hint[128];
    if (look_up->by_mx)
        return remote_look_up_fail(look_up, JOB_FAILED, code, text);
    snprintf(hint, sizeof hint, "%s: smtproutes sends the mail there", text);
    return remote_look_up_fail(look_up, JOB_DEFERRED, "4.3.5", hint);
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

bool remote_candidates_add(struct remote_candidates *candidates, ip46 const *ip, char const *name)
{
    if (candidates->count == REMOTE_ADDRESSES_MAX || has_candidate(candidates, ip))
        return false;
    struct remote_candidate *const candidate = candidates->entries + candidates->count++;
    candidate->ip = *ip;
    snprintf(candidate->host, sizeof candidate->host, "%s", name);
    return true;
}

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
static void add_host(struct remote_candidates *candidates, struct remote_host const *host,
                     unsigned int quota)
{
    for (size_t i = 0; quota && (i < host->ipv6->count || i < host->ipv4->count); i++) {
        if (i < host->ipv6->count)
            quota -= remote_candidates_add(candidates, &host->ipv6->records[i].ip, host->name);
        if (quota && i < host->ipv4->count)
            quota -= remote_candidates_add(candidates, &host->ipv4->records[i].ip, host->name);
    }
}

static bool has_address(struct remote_host const *host)
{
    return host->ipv6->count || host->ipv4->count;
}

/* The answer that says that more may be known later; NULL: this host has none, or has addresses. */
static struct dns_answer const *temporary_of(struct remote_host const *host)
{
    if (has_address(host))
        return NULL;
    if (host->ipv6->status == DNS_TEMPORARY)
        return host->ipv6;
    return host->ipv4->status == DNS_TEMPORARY ? host->ipv4 : NULL;
}

/* How many hosts stay: those before the first of ours and of better preference. HOSTS is in order.
 */
static unsigned int count_before_ours(struct remote_hosts const *hosts)
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

static bool choose(struct remote_look_up *look_up, struct remote_hosts const *hosts)
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
        return remote_look_up_fail_temporary(look_up, temporary);
    if (kept < hosts->count)
        return remote_look_up_fail(
            look_up, JOB_FAILED, "5.4.6",
            "leads back to this host, which does not take its mail: a mail loop");
    return remote_look_up_fail_unknown(look_up, "5.4.4", "has no host with an address");
}

bool remote_hosts_find(struct remote_look_up *look_up, struct remote_hosts *hosts)
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
        struct remote_host *const host = hosts->entries + i;
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
