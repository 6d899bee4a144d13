/* The programs that the keeper starts for dialogues: a row each. How one is started, for all alike,
 * is smtpd/helper_program.h. */
#ifndef EKIDEN_HELPER_ROWS_H
#define EKIDEN_HELPER_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/stralloc.h>

#include "lib/privilege.h"
#include "smtpd/helper.h"
#include "smtpd/helper_program.h"
#include "smtpd/helper_state.h"

/* Why a stream socket: unlike a pipe it tells the dialogue whether the helper has read to the end.
 */
enum helper_channel_kind { HELPER_PIPE_READ, HELPER_PIPE_WRITTEN, HELPER_SOCKET };

struct helper_channel {
    int number; /* of the helper's descriptor */
    enum helper_channel_kind kind;
};

struct helper_start {
    struct helper_means const *means;
    char const *request;
    stralloc path;              /* of the program; owned */
    char const *near;           /* the same from where its user can reach it */
    struct helper_state *state; /* NULL: it remembers nothing */
    int control, state_folder;  /* the folders, under numbers out of the way; -1: none */
    int image;                  /* means->judge_image likewise, for who wants it; -1: none */
};

struct helper_row {
    char kind;
    size_t length;      /* of the request */
    bool direct;        /* smtpd/helper.h */
    unsigned int grace; /* of a direct one: milliseconds to end by itself, its dialogue gone */
    unsigned int count;
    struct helper_channel channels[HELPER_CHANNELS_MAX];
    bool folders; /* it is one of ours, and gets the control folder, and its own where it has one */

    /* In the keeper: fills in path and state. Returns who the program runs as; NULL: it cannot be
     * started, which is logged where it is a failure. */
    struct privilege_user const *(*prepare)(struct helper_means *means, struct helper_start *start);

    /* In the new process, as its user, channels in their places: becomes the program. Returns on
     * failure only, with errno. */
    void (*execute)(struct helper_start const *start);
};

/* The row of a request; NULL: there is none. */
struct helper_row const *helper_row_find(char const *request, size_t length);

#endif
