/* Jobs on their way from the scheduler to their users. */
#ifndef EKIDEN_LAUNCH_TAKE_H
#define EKIDEN_LAUNCH_TAKE_H

#include "deliver/launch_user.h"

/* Takes over the job in MESSAGE with its descriptors, or answers at once that it is deferred.
 * False: the scheduler speaks another language, and there is not even a number to answer to. */
bool launch_take(struct launch *launch, unixmessage const *message);

#endif
