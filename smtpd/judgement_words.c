/* What others are told of a judgement: the log, and the fields of results. */
#include <stdio.h>
#include <string.h>

#include "smtpd/judgement.h"

char const *judgement_allowing(struct judgement const *judgement)
{
    for (size_t i = 0; i < judgement->count; i++)
        if (judgement->findings[i]->verdict == FINDING_ALLOW)
            return judgement->findings[i]->rule;
    return NULL;
}

char const *judgement_spf(struct judgement const *judgement)
{
    struct spf_identity const *const identity = spf_identities_result(judgement->spf);
    return identity ? spf_result_word(identity->answer.result) : "";
}

static struct finding const *find(struct judgement const *judgement, char const *rule)
{
    for (size_t i = 0; i < judgement->count; i++)
        if (!strcmp(judgement->findings[i]->rule, rule))
            return judgement->findings[i];
    return NULL;
}

char const *judgement_iprev(struct judgement const *judgement, char const **name)
{
    struct finding const *const forward = find(judgement, "forward-dns");
    struct finding const *const reverse = find(judgement, "reverse-dns");
    *name = "";
    if (!judgement->gathered || !forward)
        return NULL;
    if (forward->verdict == FINDING_UNKNOWN)
        return "temperror";
    if (forward->verdict != FINDING_NOTHING) /* without a PTR there was nothing to confirm */
        return reverse && reverse->verdict != FINDING_NOTHING ? "permerror" : "fail";
    *name = forward->text;
    return *name[0] ? "pass" : NULL;
}

static void append_word(char *words, size_t size, char const *sign, char const *word)
{
    size_t const length = strlen(words);
    if (length + strlen(sign) + strlen(word) + 2 <= size)
        snprintf(words + length, size - length, "%s%s%s", length ? "," : "", sign, word);
}

void judgement_note(struct judgement *judgement, struct finding const *finding)
{
    if (finding->verdict == FINDING_NOTE && !strstr(judgement->noted, finding->rule))
        append_word(judgement->noted, sizeof judgement->noted, "", finding->rule);
}

void judgement_log(struct judgement const *judgement, struct log_line *line)
{
    char lists[LOG_VALUE_MAX + 1] = "", noted[LOG_VALUE_MAX + 1];
    snprintf(noted, sizeof noted, "%s", judgement->noted);
    for (size_t i = 0; i < judgement->count; i++) {
        struct finding const *const finding = judgement->findings[i];
        bool const list = !strcmp(finding->rule, "dnsbl") || !strcmp(finding->rule, "rhsbl");
        bool const silent = finding->verdict == FINDING_NOTHING;
        if (!strcmp(finding->rule, "forward-dns") && silent && finding->text[0])
            log_text(line, "name", finding->text);
        else if (list && !silent)
            append_word(lists, sizeof lists,
                        finding->verdict == FINDING_ALLOW     ? "+"
                        : finding->verdict == FINDING_UNKNOWN ? "?"
                                                              : "",
                        finding->place);
        else if (finding->verdict == FINDING_NOTE || finding->verdict == FINDING_UNKNOWN)
            append_word(noted, sizeof noted, finding->verdict == FINDING_UNKNOWN ? "?" : "",
                        finding->rule);
    }
    if (judgement->gathered && judgement_spf(judgement)[0])
        log_text(line, "spf", judgement_spf(judgement));
    if (lists[0])
        log_text(line, "lists", lists);
    if (judgement->greylist[0])
        log_text(line, "greylist", judgement->greylist);
    if (noted[0])
        log_text(line, "noted", noted);
}
