/* `reuselimit`: for how much mail a connection to another server is used. */
#ifndef EKIDEN_REUSELIMIT_H
#define EKIDEN_REUSELIMIT_H

#include <stdint.h>

#include "lib/control.h"

struct reuselimit {
    uint64_t messages; /* at most; 1: a connection for each */
    uint64_t seconds;  /* no further message begins after that */
};

/* Loads `MESSAGES SECONDS`, of which SECONDS may be missing; 100 and 300 where nothing is said. */
enum control_result reuselimit_load(struct reuselimit *limit, struct control const *control,
                                    struct control_error *error);

#endif
