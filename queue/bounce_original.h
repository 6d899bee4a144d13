/* The message that a report is about, as the last part of the report: what of it comes back, and in
 * which form. Read in pieces, never held in memory as a whole. */
#ifndef EKIDEN_BOUNCE_ORIGINAL_H
#define EKIDEN_BOUNCE_ORIGINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/bounce_header.h"
#include "queue/bounce_writer.h"
#include "queue/queue_file.h"

#define BOUNCE_ORIGINAL_LOOK (64u << 10) /* bytes: a header that is longer is not looked at */
#define BOUNCE_ORIGINAL_HEADER                                                                     \
    (16u << 10) /* bytes of a header that come back, if it comes alone                             \
                 */

enum bounce_form {
    BOUNCE_FORM_NONE,           /* nothing can be given back: it is damaged */
    BOUNCE_FORM_MESSAGE,        /* message/rfc822: the whole, and all of it is 7bit */
    BOUNCE_FORM_GLOBAL,         /* message/global: the whole, encoded (RFC 6532 3.7) */
    BOUNCE_FORM_HEADERS,        /* text/rfc822-headers, encoded where it is not 7bit (RFC 6522 4) */
    BOUNCE_FORM_GLOBAL_HEADERS, /* message/global-headers, encoded (RFC 6533 4.2) */
};

struct bounce_original {
    int descriptor; /* of the queue file; the caller's */
    uint64_t offset, length;
    uint64_t sum; /* of the whole message */
    struct bounce_header header;
    enum bounce_form form;
    bool encoded;      /* quoted-printable */
    bool cut;          /* a header of which only the beginning comes back */
    uint64_t returned; /* bytes that come back, from the message's first */
};

enum bounce_read {
    BOUNCE_READ_OK,
    BOUNCE_READ_BOUNDARY, /* a line begins with the boundary: take another one */
    BOUNCE_READ_ERROR     /* errno */
};

/* Reads the beginning of the message and fills in HEADER. */
enum bounce_read bounce_original_open(struct bounce_original *original, int descriptor,
                                      struct queue_message const *message);

/* Decides the form. The whole comes back when it takes at most MAX_BYTES in the report. BOUNDARY is
 * without its dashes. */
enum bounce_read bounce_original_plan(struct bounce_original *original, uint64_t max_bytes,
                                      char const *boundary);

/* Writes the part's content, as planned; its last line ends in LF. False: errno. */
bool bounce_original_write(struct bounce_original const *original, struct bounce_writer *writer);

/* The fields that say what it is: Content-Type and, where it is encoded,
 * Content-Transfer-Encoding. */
char const *bounce_original_fields(struct bounce_original const *original);

#endif
