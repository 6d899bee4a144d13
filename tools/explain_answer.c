#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/explain.h"

unsigned int explain_class(struct explain_answer const *answer)
{
    stralloc const *const reply = &answer->steps[answer->last].reply;
    return reply->len > 3 ? (unsigned int)(reply->s[0] - '0') : 0;
}

struct finding const *explain_deciding(struct explain_answer const *answer)
{
    /* Of several that object by the same rule, as lists do, the first is the reply. */
    for (size_t i = 0; answer->rule[0] && i < answer->count; i++) {
        struct explain_rule const *const rule = answer->rules + i;
        if (rule->stage == answer->last && !strcmp(rule->finding.rule, answer->rule) &&
            (rule->finding.verdict == FINDING_REFUSE || rule->finding.verdict == FINDING_DEFER))
            return &rule->finding;
    }
    return NULL;
}

/* What a rule that has nothing to say has looked into. */
static void complete_text(struct finding *finding, struct control const *control)
{
    if (finding->text[0] || finding->verdict != FINDING_NOTHING || !finding->place[0] ||
        strchr(finding->place, ':'))
        return;
    bool const absent = faccessat(control->directory, finding->place, F_OK, 0) != 0;
    snprintf(finding->text, sizeof finding->text, "%s",
             absent ? "there is no such file" : "none of its lines fits");
}

bool explain_add_rule(struct explain_answer *answer, struct control const *control,
                      enum explain_stage stage, struct finding const *finding)
{
    if (answer->count == answer->space) {
        size_t const space = answer->space * 2 + 16;
        struct explain_rule *const rules = reallocarray(answer->rules, space, sizeof *rules);
        if (!rules)
            return false;
        answer->rules = rules;
        answer->space = space;
    }
    struct explain_rule *const rule = answer->rules + answer->count++;
    *rule = (struct explain_rule){.stage = stage, .finding = *finding};
    complete_text(&rule->finding, control);
    return true;
}
