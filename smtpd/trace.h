/* What `ekiden explain` sees of a session: it is told of each rule when it is asked, and of what
 * decided. Nobody looks on in any other session, which costs it a comparison a rule. */
#ifndef EKIDEN_TRACE_H
#define EKIDEN_TRACE_H

#include <stddef.h>

#include "judge/finding.h"

struct trace {
    /* A rule was asked, and found that. */
    void (*rule)(struct finding const *finding);
    /* What the client said is refused or put off, by RULE. */
    void (*refusal)(char const *rule);
    /* RECIPIENT, as it enters the envelope, was accepted. */
    void (*recipient)(char const *recipient, size_t length);
};

/* Tells TRACE (0: nobody looks on) of a rule. */
static inline void trace_rule(struct trace const *trace, struct finding const *finding)
{
    if (trace)
        trace->rule(finding);
}

#endif
