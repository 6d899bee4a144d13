/* What the control folder tells ekiden-bounce. */
#ifndef EKIDEN_BOUNCE_SETTINGS_H
#define EKIDEN_BOUNCE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/control.h"

struct bounce_settings {
    char *me;           /* owned, as all strings here */
    char *from;         /* `bouncefrom`@`bouncehost`, default MAILER-DAEMON@me */
    char *double_to;    /* `doublebounceto`@`doublebouncehost`, default postmaster@me; NULL: double
                           bounces are thrown away */
    uint64_t max_bytes; /* `bouncemaxbytes`, default 50000: a message of up to so many bytes comes
                           back whole, a larger one with its header only */
    uint64_t lifetime;  /* `queuelifetime`, seconds: what a delay report promises */
};

/* Loads everything anew. On CONTROL_ERROR *settings is untouched; on CONTROL_OK it is overwritten:
 * what it held is the caller's to free. */
enum control_result bounce_settings_load(struct bounce_settings *settings,
                                         struct control const *control,
                                         struct control_error *error);
void bounce_settings_free(struct bounce_settings *settings);

#endif
