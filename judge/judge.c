#include "judge/judge.h"

#include <stdio.h>
#include <string.h>

#include "lib/address.h"
#include "lib/domain_ascii.h"

/* In the order in which their findings count. */
static struct {
    enum question_kind kind;
    bool counts;
    judge_rule_func *examine;
} const rules[] = {
    {QUESTION_CONNECTION, true, limits_examine},    {QUESTION_RECIPIENT, true, limits_examine},
    {QUESTION_RECIPIENT, true, greylist_examine},   {QUESTION_UNKNOWN, true, limits_examine},
    {QUESTION_MESSAGE, true, limits_examine},       {QUESTION_CLIENT, false, dnsbl_examine},
    {QUESTION_CLIENT, false, names_examine_client}, {QUESTION_HELLO, false, names_examine_helo},
    {QUESTION_HELLO, false, rhsbl_examine},         {QUESTION_SENDER, false, names_examine_sender},
    {QUESTION_SENDER, false, rhsbl_examine},
};

struct finding *report_add(struct report *report, enum finding_verdict verdict, char const *rule,
                           char const *place)
{
    static struct finding scrap;
    struct finding *const finding = report->answer.count < QUESTION_FINDINGS_MAX
                                        ? &report->answer.findings[report->answer.count++]
                                        : &scrap;
    finding_make(finding, verdict, rule, place);
    return finding;
}

/* A client that makes us look up so many names gets no opinion for free. */
static void add_exhausted(struct judge *judge, struct report *report)
{
    struct finding *finding;
    if (!judge->asking.exhausted || report->waiting)
        return;
    finding = report_add(report, FINDING_DEFER, "dns-questions", NULL);
    finding_reply(finding, 450, "4.7.0",
                  "too many names were to be looked up in this session; try again in another");
}

void judge_examine(struct judge *judge, struct question const *question, struct report *report,
                   bool begins)
{
    report->answer.kind = question->kind;
    report->answer.number = question->number;
    report->answer.count = begins ? 0 : report->counted;
    report->waiting = false;
    for (size_t i = 0; i < sizeof rules / sizeof *rules && begins; i++)
        if (rules[i].kind == question->kind && rules[i].counts)
            rules[i].examine(judge, question, report);
    report->counted = report->answer.count;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].kind == question->kind && !rules[i].counts)
            rules[i].examine(judge, question, report);
    add_exhausted(judge, report);
}

/* True for a last label of digits only: an address without brackets is no name. */
static bool is_numeric(char const *domain)
{
    char const *const dot = strrchr(domain, '.');
    char const *const last = dot ? dot + 1 : domain;
    return last[strspn(last, "0123456789")] == 0;
}

bool judge_domain(char domain[JUDGE_DOMAIN_MAX], char const *text)
{
    char const *const sign = strrchr(text, '@');
    char name[QUESTION_FIELD_MAX + 1];
    if (sign)
        text = sign + 1;
    size_t const length = strnlen(text, sizeof name);
    if (length == sizeof name)
        return false;
    memcpy(name, text, length + 1);
    name[address_rootless(name, length)] = 0;
    return domain_ascii(domain, JUDGE_DOMAIN_MAX, name) == DOMAIN_ASCII_OK && !is_numeric(domain);
}

static void add_records(struct finding *finding, struct dns_answer const *answer)
{
    char text[DNS_NAME_MAX + 8];
    for (size_t i = 0; i < answer->count; i++) {
        struct dns_record const *const record = &answer->records[i];
        if (record->text)
            snprintf(text, sizeof text, "%s", record->length ? record->text : ".");
        else
            text[ip46_fmt(text, &record->ip)] = 0;
        finding_trail(finding, i ? ", " : "");
        finding_trail(finding, text);
    }
}

void judge_trail(struct finding *finding, struct lookup const *lookup)
{
    struct dns_answer const *const answer = &lookup->answer;
    finding_trail(finding, finding->trail[0] ? "; " : "");
    finding_trail(finding, lookup->name);
    finding_trail(finding, lookup->name ? " " : "");
    finding_trail(finding, lookup->name ? dns_type_name(lookup->type) : "");
    finding_trail(finding, " -> ");
    switch (answer->status) {
    case DNS_OK:
        add_records(finding, answer);
        break;
    case DNS_NO_NAME:
        finding_trail(finding, "no such name");
        break;
    case DNS_NO_DATA:
        finding_trail(finding, "no such record");
        break;
    case DNS_BAD_NAME:
        finding_trail(finding, "not a name");
        break;
    case DNS_TEMPORARY:
        finding_trail(finding, answer->reason);
        break;
    }
}

void judge_unknown(struct judge const *judge, struct finding *finding, struct lookup const *lookup,
                   bool could_refuse)
{
    bool const defers = could_refuse && judge->settings.dnsdown_defers;
    char const *const reason = lookup->answer.reason;
    finding->verdict = defers ? FINDING_DEFER : FINDING_UNKNOWN;
    finding_reply(finding, defers ? 451 : 0, defers ? "4.4.3" : NULL,
                  defers ? "name servers do not answer, so this cannot be checked; try again later"
                         : reason);
}
