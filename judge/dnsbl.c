/* Lists in the DNS: of addresses (RFC 5782 section 2) and of domains (section 4). */
#include <stdio.h>
#include <string.h>

#include "judge/judge.h"
#include "lib/log.h"

#define PLACE_SIZE (FINDING_PLACE_MAX + 1)
#define NAME_SIZE  600

/* What one list is asked about. */
struct subject {
    char const *file; /* dnsbl or rhsbl, which is the rule, too */
    struct dnsbl_lists *lists;
    char const *what;  /* as a reply calls it */
    char const *shown; /* address or domain, for a reply */
    char const *key;   /* what stands in front of a zone */
    bool (*concerns)(struct dnsbl const *list);
};

/* What a list said. */
struct hit {
    struct finding *finding;
    struct dnsbl const *list;
    char const *text; /* its TXT, or NULL */
};

static void log_error(struct subject const *subject, struct dnsbl const *list, ip46 const *ip)
{
    char address[IP46_FMT + 1];
    struct log_line line;
    address[ip46_fmt(address, ip)] = 0;
    log_begin(&line, "list-error");
    log_text(&line, "rule", subject->file);
    log_number(&line, "line", list->line);
    log_text(&line, "list", list->zone);
    log_text(&line, "of", subject->shown);
    log_text(&line, "answer", address);
    log_write(&line);
}

/* Whether an address in the answer counts. A list's error is logged once a session. */
static bool is_listed(struct subject const *subject, struct dnsbl *list,
                      struct lookup const *lookup, struct finding *finding)
{
    bool listed = false, wrong = false;
    for (size_t i = 0; i < lookup->answer.count; i++) {
        ip46 const *const ip = &lookup->answer.records[i].ip;
        enum dnsbl_meaning const meaning = dnsbl_line_meaning(list, ip);
        listed |= meaning == DNSBL_LISTED;
        wrong |= meaning == DNSBL_ERROR;
        if (meaning != DNSBL_ERROR || list->is_reported)
            continue;
        log_error(subject, list, ip);
        list->is_reported = true;
    }
    if (wrong)
        finding_trail(finding, " (an error of the list, ignored)");
    return listed;
}

static char const *place_of(char place[PLACE_SIZE], struct subject const *subject,
                            struct dnsbl const *list)
{
    snprintf(place, PLACE_SIZE, "%s:%u", subject->file, list->line);
    return place;
}

/* Asks one list. *HIT is filled in where the subject is listed; false where it is not. */
static bool ask(struct judge *judge, struct subject const *subject, struct dnsbl *list,
                struct report *report, struct hit *hit)
{
    char name[NAME_SIZE], place[PLACE_SIZE];
    struct finding *const finding =
        report_add(report, FINDING_NOTHING, subject->file, place_of(place, subject, list));
    snprintf(name, sizeof name, "%s.%s", subject->key, list->zone);
    struct lookup const *const lookup = asking_look_up(&judge->asking, ASKING_LISTS, name, DNS_A);
    *hit = (struct hit){.finding = finding, .list = list};
    if (!lookup->finished) {
        report->waiting = true;
        return false;
    }
    judge_trail(finding, lookup);
    if (lookup->answer.status == DNS_TEMPORARY)
        judge_unknown(judge, finding, lookup, !list->allow);
    if (!is_listed(subject, list, lookup, finding))
        return false;
    if (list->allow || *list->text)
        return true;
    struct lookup const *const text = asking_look_up(&judge->asking, ASKING_LISTS, name, DNS_TXT);
    if (text->finished) {
        judge_trail(finding, text);
        if (text->answer.count > 0)
            hit->text = text->answer.records[0].text;
    } else {
        report->waiting = true;
    }
    return true;
}

static void refuse(struct subject const *subject, struct hit const *hit, bool refuses)
{
    char text[FINDING_TEXT_MAX + DNSBL_TEXT_MAX + NAME_SIZE];
    if (*hit->list->text)
        snprintf(text, sizeof text, "%s %s is listed (%s): %s", subject->what, subject->shown,
                 subject->file, hit->list->text);
    else
        snprintf(text, sizeof text, "%s %s is listed by %s%s%s", subject->what, subject->shown,
                 hit->list->zone, hit->text ? ": " : "", hit->text ? hit->text : "");
    hit->finding->verdict = refuses ? FINDING_REFUSE : FINDING_NOTE;
    finding_reply(hit->finding, refuses ? 550 : 0, refuses ? "5.7.1" : NULL, text);
}

/* Each list has its finding. From the threshold on all that are hit refuse, below it they are but
 * noted. */
static void ask_all(struct judge *judge, struct subject const *subject, struct report *report)
{
    struct hit hits[DNSBL_LISTS_MAX];
    size_t count = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < subject->lists->count; i++) {
        struct dnsbl *const list = &subject->lists->lists[i];
        if (!subject->concerns(list) || !ask(judge, subject, list, report, &hits[count]))
            continue;
        sum += list->weight;
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        if (!hits[i].list->allow)
            refuse(subject, &hits[i], sum >= judge->settings.dnsblthreshold);
        else
            hits[i].finding->verdict = FINDING_ALLOW;
    }
}

static bool concerns_all(struct dnsbl const *list)
{
    (void)list;
    return true;
}

static bool concerns_helo(struct dnsbl const *list)
{
    return list->helo;
}

static bool concerns_sender(struct dnsbl const *list)
{
    return list->sender;
}

void dnsbl_examine(struct judge *judge, struct question const *question, struct report *report)
{
    char key[DNS_REVERSE_MAX];
    (void)question;
    if (!judge->has_client)
        return;
    dns_reverse_name(key, &judge->client);
    *strstr(key, ip46_is6(&judge->client) ? ".ip6.arpa" : ".in-addr.arpa") = 0;
    ask_all(judge,
            &(struct subject){.file = "dnsbl",
                              .lists = &judge->settings.dnsbl,
                              .what = "client",
                              .shown = judge->address,
                              .key = key,
                              .concerns = concerns_all},
            report);
}

void rhsbl_examine(struct judge *judge, struct question const *question, struct report *report)
{
    char domain[JUDGE_DOMAIN_MAX];
    bool const helo = question->kind == QUESTION_HELLO;
    /* A name without a dot is nobody's domain, and lists have none. */
    if (!judge_domain(domain, question->fields[0]) || !strchr(domain, '.'))
        return;
    ask_all(judge,
            &(struct subject){.file = "rhsbl",
                              .lists = &judge->settings.rhsbl,
                              .what = helo ? "HELO name" : "sender domain",
                              .shown = domain,
                              .key = domain,
                              .concerns = helo ? concerns_helo : concerns_sender},
            report);
}
