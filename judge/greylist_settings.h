/* The control file `greylist`: a line a value, NAME VALUE. One line turns greylisting on (a sample
 * of comments alone does not). */
#ifndef EKIDEN_GREYLIST_SETTINGS_H
#define EKIDEN_GREYLIST_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/control.h"

enum greylist_setting {
    GREYLIST_DELAY,     /* seconds after the first attempt in which it is too early (300) */
    GREYLIST_WINDOW,    /* seconds after it in which a second one may come (4h) */
    GREYLIST_TTL,       /* seconds for which a triplet, or a network, is remembered (36d) */
    GREYLIST_ALLOWANCE, /* triplets of a network that pass until all of it does; 0: never (5) */
    GREYLIST_NETWORK4,  /* bits of an IPv4 address that count (24) */
    GREYLIST_NETWORK6,  /* of an IPv6 address (64) */
    GREYLIST_SPF,       /* 1: a sender for whom SPF says pass is not deferred (0) */
    GREYLIST_SETTINGS
};

struct greylist_settings {
    bool present;
    uint64_t values[GREYLIST_SETTINGS];
    unsigned int lines[GREYLIST_SETTINGS]; /* which line says so; 0: the default holds */
};

/* Fills *settings: with the defaults, and ABSENT, where there is no file. */
enum control_result greylist_settings_load(struct greylist_settings *settings,
                                           struct control const *control,
                                           struct control_error *error);

#endif
