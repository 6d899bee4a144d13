/* Mail from strangers on its way in: each Authentication-Results field that claims to be ours is
 * left out (RFC 8601 5), and each whose claim cannot be read. Those of others stay, Received-SPF as
 * well, as a field without a name of who wrote it is nobody's claim: ours stand on top.
 *
 * A field is ours when its authserv-id (2.2: a token or a quoted string, behind comments and folds)
 * is our name in letters of either case, with or without a dot at its end. Where our name has an
 * A-label its U-label names us as well (RFC 8616 5): then every field with an authserv-id that is
 * not ASCII counts as ours, because no library that knows Unicode's tables is to read what
 * strangers write here. Memory is the struct; lib/header_scan.h says what the header is. */
#ifndef EKIDEN_RESULTS_FILTER_H
#define EKIDEN_RESULTS_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/header_scan.h"

/* Takes LENGTH bytes of the message on. */
typedef void results_put_func(void *context, char const *bytes, size_t length);

struct results_filter {
    results_put_func *put;
    void *context;
    char const *me; /* the caller's; lower case */
    unsigned char state;
    size_t depth;
    size_t id_length;
    struct header_scan scan;       /* the last two: touched only as far as used */
    char id[HEADER_SCAN_HELD_MAX]; /* the authserv-id so far, unquoted */
};

/* PUT is called with CONTEXT; ME must remain valid. */
void results_filter_start(struct results_filter *filter, results_put_func *put, void *context,
                          char const *me);

/* The next piece of the message, LF line ends (CRLF does as well). */
void results_filter_add(struct results_filter *filter, char const *bytes, size_t length);

/* The end of the message. */
void results_filter_end(struct results_filter *filter);

#endif
