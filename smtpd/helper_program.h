/* How the keeper starts a program for a dialogue (smtpd/helper_rows.h has the programs). */
#ifndef EKIDEN_HELPER_PROGRAM_H
#define EKIDEN_HELPER_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/control.h"
#include "lib/privilege.h"
#include "smtpd/helper.h"
#include "smtpd/helper_state.h"
#include "smtpd/settings.h"

/* What a start needs to know. */
struct helper_means {
    struct control const *control;
    struct settings const *settings; /* those of today */
    struct privilege_user injector;
    struct privilege_user spf;
    struct helper_state auth, judge;
    int judge_image; /* of SETTINGS: judge/judge_image.h; -1: to be made when it is wanted */
    bool aside;      /* `ekiden explain`: nothing is to be remembered; ekiden-judge gets -n, and its
                        folder where there is one */
};

/* SETTINGS are those of today from now on; -1 is in judge_image, or what was made of others. */
void helper_program_use(struct helper_means *means, struct settings const *settings);

/* What the dialogue gets to talk to a program. */
struct helper_channels {
    int ends[HELPER_CHANNELS_MAX];
    unsigned int count;
    bool direct; /* there are none, and nothing is told: it has the other end of the program's */
    unsigned int grace; /* smtpd/helper_rows.h */
};

/* Starts the program of the LENGTH bytes of REQUEST, which came with REPLY. Returns its pid; the
 * ends of CHANNELS are the caller's to close. -1 when there is no such program or it could not be
 * started: logged. */
pid_t helper_program_start(struct helper_means *means, char const *request, size_t length,
                           int reply, struct helper_channels *channels);

#endif
