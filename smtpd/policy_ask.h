/* A question to one rule of smtpd/policy.h, told to who looks on (smtpd/trace.h), and kept for
 * policy_place. Each returns whether the rule fires: whether it refuses, or gives the right, as its
 * row has it. */
#ifndef EKIDEN_POLICY_ASK_H
#define EKIDEN_POLICY_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/network.h"
#include "smtpd/policy.h"

/* A rule that fires or not: FIRES. */
bool policy_ask(struct connection const *connection, enum policy_rule rule, bool fires);

/* The same of a rule of the control file of its name, of which LINE says so; 0: none in
 * particular. */
bool policy_ask_line(struct connection const *connection, enum policy_rule rule, bool fires,
                     unsigned int line);

/* A rule whose control file of its name is NETWORKS: fires for a client in it. */
bool policy_ask_networks(struct connection const *connection, enum policy_rule rule,
                         struct networks const *networks);

#endif
