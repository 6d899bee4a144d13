/* What the header of a message says about answers to it: a bounded look at a few fields. */
#ifndef EKIDEN_BOUNCE_HEADER_H
#define EKIDEN_BOUNCE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#define BOUNCE_MESSAGE_ID_MAX 250 /* bytes, with its angle brackets */

struct bounce_header {
    /* The first Message-ID, if it is one that can be quoted (`<`, printable ASCII with an `@` and
     * without blanks, `>`); else empty. NUL-terminated. */
    char message_id[BOUNCE_MESSAGE_ID_MAX + 1];
    bool automatic; /* Auto-Submitted, other than `no` (RFC 3834 5) */
    bool bulk;      /* Precedence: bulk, list or junk */
    bool list;      /* a List- field (RFC 2369, 2919) */
    size_t length;  /* bytes of the header, without the empty line */
    bool ended;     /* the empty line was there; else the header goes on behind BYTES */
};

/* Looks at the LENGTH bytes that a message begins with. Lines end in LF; a CR before it, malformed
 * lines and any other bytes do no harm. */
void bounce_header_look(struct bounce_header *header, char const *bytes, size_t length);

#endif
