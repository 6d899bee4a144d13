/* The control file `limits`: how much a client may do, a limit a line,
 *
 *   [SCOPE] connections|messages|recipients|unknown COUNT/s|m|h|d
 *
 * SCOPE is what counts as one client: none (an IPv4 address, an IPv6 /64), `ipv4/N` or `ipv6/N`
 * (each network of that size), or ADDRESS/N: all of that network, for which the lines without an
 * address do not count then; the most specific one decides. There COUNT may be `none`. */
#ifndef EKIDEN_LIMITS_SETTINGS_H
#define EKIDEN_LIMITS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/question.h"
#include "lib/control.h"
#include "lib/network.h"

#define LIMITS_MAX       1000 /* lines */
#define LIMITS_COUNT_MAX 1000000

enum limits_subject {
    LIMITS_CONNECTIONS,
    LIMITS_MESSAGES,
    LIMITS_RECIPIENTS,
    LIMITS_UNKNOWN,
    LIMITS_SUBJECTS
};

enum limits_scope { LIMITS_EACH, LIMITS_EACH4, LIMITS_EACH6, LIMITS_NETWORK };

struct limit {
    enum limits_subject subject;
    enum limits_scope scope;
    unsigned int prefix;    /* of EACH4 and EACH6 */
    struct network network; /* of NETWORK */
    uint64_t count;         /* 0: none */
    char unit;              /* s, m, h, d */
    unsigned int line;
};

struct limits_settings {
    bool present;
    struct limit *entries; /* owned */
    size_t count;
};

/* Fills *settings; nothing in it on ABSENT and ERROR. */
enum control_result limits_settings_load(struct limits_settings *settings,
                                         struct control const *control,
                                         struct control_error *error);
void limits_settings_free(struct limits_settings *settings);

/* What a question of KIND takes one of, and of what one must be left besides. False: nothing. */
bool limits_settings_subjects(enum question_kind kind, enum limits_subject *taken,
                              enum limits_subject *needed);

/* Whether any line is about a question of KIND. */
bool limits_settings_ask(struct limits_settings const *settings, enum question_kind kind);

#endif
