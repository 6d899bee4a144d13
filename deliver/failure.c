#include "deliver/failure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void failure_clear(struct failure *failure)
{
    failure->result = JOB_DELIVERED;
    failure->text[0] = 0;
}

void failure_set(struct failure *failure, enum job_result result, char const *text)
{
    failure->result = result;
    snprintf(failure->text, sizeof failure->text, "%s", text);
}

/* The part that a text must never lose when it is cut stands first; a mailbox name may be long. */
void failure_system(struct failure *failure, char const *what, char const *mailbox, int number)
{
    bool const full = number == ENOSPC || number == EDQUOT;
    failure->result = JOB_DEFERRED;
    snprintf(failure->text, sizeof failure->text, "%s %s: %s%s%s%s", full ? "4.2.2" : "4.3.0", what,
             strerror(number), *mailbox ? " (mailbox " : "", mailbox, *mailbox ? ")" : "");
}
