#include "queue/send_intake.h"

#include "queue/send_park.h"
#include "queue/send_take.h"

#define STEPS_A_TURN 16 /* entries of folders looked at, before others have their turn */
#define UNLOOKED_MAX 8  /* messages that were taken and have to wait until they are looked at */

bool send_intake_is_behind(struct send const *send)
{
    for (enum send_lane lane = 0; lane < SEND_LANES; lane++)
        if (send->active.waiting[lane].count >= UNLOOKED_MAX)
            return true;
    return false;
}

bool send_intake_has_room(struct send const *send)
{
    struct send_active const *const active = &send->active;
    return active->count - active->idle < send->settings.messages &&
           active->count < SEND_ACTIVE_MAX;
}

static bool may_draw(struct send const *send)
{
    return send_intake_has_room(send) && !send_intake_is_behind(send);
}

bool send_intake_turn(struct send *send)
{
    struct send_candidate candidate = {.from = NULL};
    for (unsigned int step = 0; step < STEPS_A_TURN; step++) {
        if (send_intake_is_behind(send))
            return true;
        if (!send_intake_has_room(send))
            return false;
        switch (send_source_next(&send->source, &candidate)) {
        case SEND_SOURCE_FOUND:
            send_take(send, &candidate);
            break;
        case SEND_SOURCE_MORE:
            break;
        case SEND_SOURCE_EMPTY:
            return false;
        }
    }
    return true;
}

bool send_intake_draw(struct send *send)
{
    return send_park_draw(send, STEPS_A_TURN, may_draw);
}
