/* The rules that count and remember, as ekiden-judge asks them. */
#include "judge/greylist.h"
#include "judge/judge.h"
#include "judge/limits.h"

void limits_examine(struct judge *judge, struct question const *question, struct report *report)
{
    struct finding found;
    if (!judge->has_client || !limits_ask(&found, &judge->settings.limits, &judge->memory,
                                          memory_now(), &judge->client, question->kind))
        return;
    *report_add(report, found.verdict, found.rule, found.place) = found;
}

static bool is_deferred(struct report const *report)
{
    for (size_t i = 0; i < report->answer.count; i++)
        if (report->answer.findings[i].verdict == FINDING_DEFER)
            return true;
    return false;
}

/* Who is over a limit does not begin to wait as well. */
void greylist_examine(struct judge *judge, struct question const *question, struct report *report)
{
    struct finding found;
    if (!judge->has_client || !judge->settings.greylist.present || is_deferred(report))
        return;
    greylist_ask(&found, &judge->settings.greylist, &judge->memory, memory_now(), &judge->client,
                 judge->sender, question->fields[0], question->fields[1]);
    *report_add(report, found.verdict, found.rule, found.place) = found;
}
