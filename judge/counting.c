/* The rules that count and remember: they are called once a question, and answer at once. */
#include "judge/judge.h"

void limits_examine(struct judge *judge, struct question const *question, struct report *report)
{
    struct finding finding;
    if (judge->has_client && judge->settings.limits.present &&
        limits_ask(&finding, &judge->settings.limits, &judge->memory, memory_now(), &judge->client,
                   question->kind))
        *report_add(report, finding.verdict, finding.rule, NULL) = finding;
}

void greylist_examine(struct judge *judge, struct question const *question, struct report *report)
{
    if (judge->has_client && judge->settings.greylist.present)
        greylist_ask(report_add(report, FINDING_NOTHING, "greylist", NULL),
                     &judge->settings.greylist, &judge->memory, memory_now(), &judge->client,
                     judge->sender, question->fields[0], question->fields[1]);
}
