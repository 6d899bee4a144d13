/* Rules that need nobody but the session itself: what a client says too early, and what it says of
 * itself. Each is off until a control file turns it on, and none is for clients that are exempt
 * (policy_is_exempt). They refuse at their own stage, before anybody is asked. */
#ifndef EKIDEN_LOCAL_RULES_H
#define EKIDEN_LOCAL_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "judge/finding.h"
#include "lib/checks.h"
#include "smtpd/command.h"
#include "smtpd/judgement.h"
#include "smtpd/stream.h"

/* Waits before the greeting for `greetdelay`, or until the client speaks and early-talker is to be
 * refused for it. *DECIDED as in smtpd/judgement.h; so in the others. STREAM_STOPPED and
 * STREAM_EXPIRED concern the session. */
enum stream_result local_rules_greet(struct judgement *judgement, struct finding *decided);

/* HELO or EHLO with this NAME: helo-syntax, helo-us. */
void local_rules_hello(struct judgement *judgement, char const *name, size_t length,
                       struct finding *decided);

/* COMMAND was read; EXTENDED says that PIPELINING was offered. What has come behind it already
 * could only do so where RFC 2920 3.1 allows that. */
void local_rules_pipelining(struct judgement *judgement, struct command const *command,
                            bool extended, struct finding *decided);

#endif
