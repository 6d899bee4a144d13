/* How much a client may do: budgets (lib/budget.h) of connections, messages, recipients and unknown
 * recipients, for its address or its network. */
#ifndef EKIDEN_LIMITS_H
#define EKIDEN_LIMITS_H

#include <stdint.h>

#include <skalibs/ip46.h>

#include "judge/finding.h"
#include "judge/limits_settings.h"
#include "judge/memory.h"
#include "judge/question.h"

/* Takes what a question of KIND stands for out of the client's budgets, at the time NOW
 * (memory_now):
 *   N  a connection; over when nothing is left of `unknown` either    421 4.7.0
 *   R  a recipient; over when no message is left either                450 4.7.1
 *   U  an unknown recipient                                            421 4.7.0
 *   D  a message                                                       450 4.7.1
 * True, and *finding filled (rule `limits`): NOTHING, DEFER, or UNKNOWN when the memory does not
 * work. False: there is no such limit for this client. From a memory that is read only nothing is
 * taken: what would happen. */
bool limits_ask(struct finding *finding, struct limits_settings const *settings,
                struct memory *memory, uint64_t now, ip46 const *client, enum question_kind kind);

#endif
