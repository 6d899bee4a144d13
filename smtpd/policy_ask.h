/* A question to one rule of smtpd/policy.h, told to who looks on (smtpd/trace.h). Each returns
 * whether the rule fires: whether it refuses, or gives the right, as its row has it. */
#ifndef EKIDEN_POLICY_ASK_H
#define EKIDEN_POLICY_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/network.h"
#include "smtpd/policy.h"

/* A rule that fires or not: FIRES. */
bool policy_ask(struct connection const *connection, enum policy_rule rule, bool fires);

/* A rule of the control file of its name. LENGTH bytes at KEY are what was found there; 0: nothing
 * was. */
bool policy_ask_key(struct connection const *connection, enum policy_rule rule, bool fires,
                    char const *key, size_t length);

/* A rule whose control file of its name is NETWORKS: fires for a client in it. */
bool policy_ask_networks(struct connection const *connection, enum policy_rule rule,
                         struct networks const *networks);

#endif
