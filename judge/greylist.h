/* Greylisting: who is new waits. A triplet of network, sender and recipient is deferred when it
 * comes for the first time, and until `delay` has passed; comes it again within `window` it passes,
 * and is remembered for `ttl` after it was last seen. A network of which `allowance` triplets have
 * passed is deferred no more. The sender is what judge/greylist_sender.h makes of it. */
#ifndef EKIDEN_GREYLIST_H
#define EKIDEN_GREYLIST_H

#include <stdint.h>

#include <skalibs/ip46.h>

#include "judge/finding.h"
#include "judge/greylist_settings.h"
#include "judge/memory.h"

/* Asks for one recipient, at the time NOW (memory_now). SENDER may be empty; SPF is the word of its
 * result, or empty. Always fills *finding, whose rule is `greylist`:
 *   NOTHING, with one word for the log: spf, network, known, passed (just now)
 *   DEFER    451 4.7.1, when it is too early
 *   UNKNOWN  the memory does not work: logged
 * A memory that is read only is not changed: what would happen. */
void greylist_ask(struct finding *finding, struct greylist_settings const *settings,
                  struct memory *memory, uint64_t now, ip46 const *client, char const *sender,
                  char const *recipient, char const *spf);

#endif
