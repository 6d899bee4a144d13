/* The control file `tarpit`: `COUNT SECONDS`. After COUNT unknown recipients in a session each of
 * its replies waits SECONDS: guessing names takes long then. */
#ifndef EKIDEN_TARPIT_H
#define EKIDEN_TARPIT_H

#include <stdint.h>

#include "lib/control.h"

struct tarpit {
    uint64_t count;
    uint64_t seconds; /* 0: no reply waits */
};

/* The first entry counts; no wait where the file is absent. */
enum control_result tarpit_load(struct tarpit *tarpit, struct control const *control,
                                struct control_error *error);

#endif
