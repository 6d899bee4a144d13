/* Makes of a submitted header the one that is sent, and the envelope. */
#ifndef EKIDEN_COMPOSE_H
#define EKIDEN_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/stralloc.h>

#include "tools/message_header.h"
#include "tools/sender_names.h"

struct compose {
    struct sender_names const *names;
    bool header_recipients; /* the header's are the envelope's (too) */
    stralloc const *from;   /* address for a From that is missing; 0: names' user and host */
    stralloc header;        /* the new header, without the empty line; owned */
    stralloc recipients;    /* unquoted, each ended by NUL; owned */
    size_t recipient_count;
    stralloc return_path; /* of the field, without NUL; owned */
    bool has_return_path;
    bool utf8; /* an address of the envelope is not ASCII */
};

/* Adds a recipient of the command line, completed: the unquoted ADDRESS itself, or, with LIST, each
 * of the addresses in it. Dies when it cannot be one. */
void compose_argument(struct compose *compose, char const *address, bool list);

/* Completes the unquoted ADDRESS for the envelope and appends it to OUT. */
void compose_envelope_address(struct compose *compose, stralloc *out, char const *address);

/* Makes the new header, and collects recipients and Return-Path. Dies when a field with recipients
 * cannot be read; any other such field stays as it is. */
void compose_header(struct compose *compose, struct message_header const *header);

#endif
