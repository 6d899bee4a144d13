/* The rules of the control file `checks` that ask DNS: does the client's address have a name that
 * leads back to it, does the HELO name exist, can the sender get a reply? */
#include <stdio.h>
#include <string.h>

#include "judge/judge.h"
#include "lib/address.h"

#define TEXT_SIZE (QUESTION_FIELD_MAX + 100)
#define NAMES_MAX 10 /* PTR names that are followed: whose address has more is no mail server's */

/* The reply of a rule that objects. */
struct objection {
    char const *status; /* without its class: `7.25` */
    char const *text;
};

static struct finding *add(struct judge const *judge, struct report *report, enum check_rule rule)
{
    char place[CHECKS_PLACE_SIZE];
    return report_add(report, FINDING_NOTHING, checks_name(rule),
                      checks_place(place, &judge->settings.checks, rule));
}

static enum check_action action_of(struct judge const *judge, enum check_rule rule)
{
    return judge->settings.checks.rules[rule].action;
}

static void object(struct finding *finding, enum check_action action,
                   struct objection const *objection)
{
    char status[FINDING_STATUS_MAX + 1];
    bool const refuses = action == CHECK_REFUSE;
    if (action == CHECK_LOG) {
        finding->verdict = FINDING_NOTE;
        finding_reply(finding, 0, NULL, objection->text);
        return;
    }
    snprintf(status, sizeof status, "%c.%s", refuses ? '5' : '4', objection->status);
    finding->verdict = refuses ? FINDING_REFUSE : FINDING_DEFER;
    finding_reply(finding, refuses ? 550 : 450, status, objection->text);
}

static void unknown(struct judge const *judge, struct finding *finding, enum check_rule rule,
                    struct lookup const *lookup)
{
    judge_unknown(judge, finding, lookup, action_of(judge, rule) != CHECK_LOG);
}

/* --- names that must have a record of one type or another --- */

struct existence {
    bool found;
    bool waiting;                 /* for what may still be found */
    struct lookup const *failure; /* a look-up that nobody answered */
};

/* Looks NAME up by each of COUNT types, and puts what came into the trail. */
static struct existence look_for(struct judge *judge, struct finding *finding, char const *name,
                                 enum dns_type const *types, size_t count)
{
    struct existence existence = {.found = false};
    for (size_t i = 0; i < count; i++) {
        struct lookup const *const lookup =
            asking_look_up(&judge->asking, ASKING_STRANGERS, name, types[i]);
        if (!lookup->finished) {
            existence.waiting = true;
            continue;
        }
        judge_trail(finding, lookup);
        existence.found |= lookup->answer.status == DNS_OK;
        if (lookup->answer.status == DNS_TEMPORARY)
            existence.failure = lookup;
    }
    return existence;
}

/* --- the client's name --- */

static void examine_reverse(struct judge *judge, struct report *report,
                            struct lookup const *pointers)
{
    char text[TEXT_SIZE];
    enum check_action const action = action_of(judge, CHECK_REVERSE_DNS);
    if (action == CHECK_OFF)
        return;
    struct finding *const finding = add(judge, report, CHECK_REVERSE_DNS);
    judge_trail(finding, pointers);
    snprintf(text, sizeof text, "client %s has no name in the reverse DNS (PTR)", judge->address);
    if (pointers->answer.status == DNS_TEMPORARY)
        unknown(judge, finding, CHECK_REVERSE_DNS, pointers);
    else if (pointers->answer.status != DNS_OK)
        object(finding, action, &(struct objection){"7.25", text});
}

static bool leads_to(struct lookup const *lookup, ip46 const *ip)
{
    for (size_t i = 0; i < lookup->answer.count; i++)
        if (!memcmp(lookup->answer.records[i].ip.ip, ip->ip, ip46_is6(ip) ? 16 : 4))
            return true;
    return false;
}

/* The first name of POINTERS that leads back to the client; *failure is a look-up that nobody
 * answered. All are asked for at once, and none is waited for once one in front is confirmed. */
static char const *confirm(struct judge *judge, struct report *report, struct finding *finding,
                           struct lookup const *pointers, struct lookup const **failure)
{
    enum dns_type const type = ip46_is6(&judge->client) ? DNS_AAAA : DNS_A;
    char const *confirmed = NULL;
    bool waiting = false;
    for (size_t i = 0; i < pointers->answer.count && i < NAMES_MAX; i++) {
        struct dns_record const *const name = &pointers->answer.records[i];
        /* What is no host name cannot be shown to anybody. */
        if (!address_is_domain(name->text, name->length, false))
            continue;
        struct lookup const *const lookup =
            asking_look_up(&judge->asking, ASKING_STRANGERS, name->text, type);
        waiting |= !lookup->finished && !confirmed;
        if (!lookup->finished || confirmed)
            continue;
        judge_trail(finding, lookup);
        if (lookup->answer.status == DNS_TEMPORARY)
            *failure = lookup;
        if (leads_to(lookup, &judge->client))
            confirmed = name->text;
    }
    report->waiting |= waiting;
    return waiting ? NULL : confirmed;
}

static void examine_forward(struct judge *judge, struct report *report,
                            struct lookup const *pointers)
{
    char text[TEXT_SIZE];
    struct lookup const *failure = NULL;
    enum check_action const action = action_of(judge, CHECK_FORWARD_DNS);
    if (action == CHECK_OFF)
        return;
    struct finding *const finding = add(judge, report, CHECK_FORWARD_DNS);
    judge_trail(finding, pointers);
    if (pointers->answer.status == DNS_TEMPORARY)
        failure = pointers;
    char const *const name = confirm(judge, report, finding, pointers, &failure);
    snprintf(text, sizeof text, "client %s has no name that leads back to this address",
             judge->address);
    if (name)
        finding_reply(finding, 0, NULL, name);
    else if (failure)
        unknown(judge, finding, CHECK_FORWARD_DNS, failure);
    else
        object(finding, action, &(struct objection){"7.25", text});
}

void names_examine_client(struct judge *judge, struct question const *question,
                          struct report *report)
{
    static enum check_rule const of_client[] = {CHECK_REVERSE_DNS, CHECK_FORWARD_DNS};
    char name[DNS_REVERSE_MAX];
    (void)question;
    if (!judge->has_client || !checks_any(&judge->settings.checks, of_client, 2))
        return;
    dns_reverse_name(name, &judge->client);
    struct lookup const *const pointers =
        asking_look_up(&judge->asking, ASKING_STRANGERS, name, DNS_PTR);
    if (!pointers->finished) {
        report->waiting = true;
        return;
    }
    examine_reverse(judge, report, pointers);
    examine_forward(judge, report, pointers);
}

/* --- the HELO name --- */

void names_examine_helo(struct judge *judge, struct question const *question, struct report *report)
{
    static enum dns_type const types[] = {DNS_A, DNS_AAAA, DNS_MX};
    char const *const helo = question->fields[0];
    char domain[JUDGE_DOMAIN_MAX], text[TEXT_SIZE];
    enum check_action const action = action_of(judge, CHECK_HELO_DNS);
    if (action == CHECK_OFF)
        return;
    struct finding *const finding = add(judge, report, CHECK_HELO_DNS);
    if (address_is_literal(helo, strlen(helo)))
        return;
    struct existence existence = {.found = false};
    if (judge_domain(domain, helo))
        existence = look_for(judge, finding, domain, types, 3);
    snprintf(text, sizeof text, "HELO name %s does not exist in the DNS", helo);
    if (existence.found)
        return;
    report->waiting |= existence.waiting;
    if (existence.failure)
        unknown(judge, finding, CHECK_HELO_DNS, existence.failure);
    else
        object(finding, action, &(struct objection){"7.1", text});
}

/* --- the sender's domain --- */

/* True where mail could be sent to. `.` (RFC 7505), an address in the place of a name, and this
 * host's own name for itself are none. What the host's addresses are is not looked up: the answer
 * would cost a round more for each message, and is DNS's to change. */
static bool is_exchanger(struct dns_record const *mx)
{
    char domain[JUDGE_DOMAIN_MAX];
    return mx->length > 0 && judge_domain(domain, mx->text) && strcmp(domain, "localhost") != 0;
}

static bool has_exchanger(struct lookup const *exchangers)
{
    for (size_t i = 0; i < exchangers->answer.count; i++)
        if (is_exchanger(&exchangers->answer.records[i]))
            return true;
    return false;
}

static void examine_domain(struct judge *judge, struct report *report, struct finding *finding,
                           char const *domain)
{
    static enum dns_type const addresses[] = {DNS_A, DNS_AAAA};
    char text[TEXT_SIZE];
    struct objection objection = {"1.8", text};
    enum check_action const action = action_of(judge, CHECK_SENDER_DNS);
    struct lookup const *const exchangers =
        asking_look_up(&judge->asking, ASKING_STRANGERS, domain, DNS_MX);
    if (exchangers->finished)
        judge_trail(finding, exchangers);
    /* Asked at once with it, though only a domain without MX needs them (RFC 5321 section 5.1). */
    struct existence const existence = look_for(judge, finding, domain, addresses, 2);
    bool const has_mx = exchangers->finished && exchangers->answer.status == DNS_OK;
    snprintf(text, sizeof text, "sender domain %s has neither mail servers (MX) nor an address",
             domain);
    if (has_mx && has_exchanger(exchangers))
        return;
    if (has_mx && exchangers->answer.count == 1 && exchangers->answer.records[0].length == 0) {
        snprintf(text, sizeof text, "sender domain %s takes no mail (null MX)", domain);
        objection.status = "7.27";
    } else if (has_mx) {
        snprintf(text, sizeof text, "sender domain %s has no mail server that has a name", domain);
    } else if (exchangers->finished && exchangers->answer.status != DNS_TEMPORARY &&
               existence.found) {
        return;
    } else if (!exchangers->finished || existence.waiting) {
        report->waiting = true;
        return;
    } else if (exchangers->answer.status == DNS_TEMPORARY || existence.failure) {
        unknown(judge, finding, CHECK_SENDER_DNS,
                existence.failure ? existence.failure : exchangers);
        return;
    }
    object(finding, action, &objection);
}

void names_examine_sender(struct judge *judge, struct question const *question,
                          struct report *report)
{
    char domain[JUDGE_DOMAIN_MAX], text[TEXT_SIZE];
    if (action_of(judge, CHECK_SENDER_DNS) == CHECK_OFF)
        return;
    struct finding *const finding = add(judge, report, CHECK_SENDER_DNS);
    char const *const sign = strrchr(question->fields[0], '@');
    if (!sign || sign[1] == '[')
        return;
    if (judge_domain(domain, question->fields[0])) {
        examine_domain(judge, report, finding, domain);
        return;
    }
    /* 192.0.2.1 without brackets, or U-labels that are none: whatever the DNS says, nobody can
     * answer such a sender. */
    snprintf(text, sizeof text, "sender domain %s cannot be a name of the DNS", sign + 1);
    object(finding, action_of(judge, CHECK_SENDER_DNS), &(struct objection){"1.8", text});
}
