/* The header of a message that is submitted: its fields, and what each of them is. */
#ifndef EKIDEN_MESSAGE_HEADER_H
#define EKIDEN_MESSAGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/stralloc.h>

#define MESSAGE_HEADER_MAX (1u << 20) /* bytes; a longer one is refused */

enum field_traits {
    FIELD_ADDRESSES = 1,   /* holds addresses: they are completed */
    FIELD_RECIPIENTS = 2,  /* and they may be the envelope's */
    FIELD_RESENT = 4,      /* belongs to a message that is sent again */
    FIELD_REMOVED = 8,     /* never leaves */
    FIELD_RETURN_PATH = 16 /* names the envelope sender */
};

/* Fields that are looked for. */
enum field_name {
    FIELD_OTHER,
    FIELD_TO,
    FIELD_CC,
    FIELD_BCC,
    FIELD_APPARENTLY_TO,
    FIELD_FROM,
    FIELD_SENDER,
    FIELD_REPLY_TO,
    FIELD_RETURN_RECEIPT_TO,
    FIELD_ERRORS_TO,
    FIELD_MAIL_FOLLOWUP_TO,
    FIELD_MAIL_REPLY_TO,
    FIELD_DATE,
    FIELD_MESSAGE_ID,
    FIELD_RETURN_PATH_NAME,
    FIELD_CONTENT_LENGTH,
    FIELD_RESENT_TO,
    FIELD_RESENT_CC,
    FIELD_RESENT_BCC,
    FIELD_RESENT_FROM,
    FIELD_RESENT_SENDER,
    FIELD_RESENT_REPLY_TO,
    FIELD_RESENT_DATE,
    FIELD_RESENT_MESSAGE_ID,
    FIELD_NAMES
};

struct message_field {
    enum field_name name;
    size_t start, body, end; /* in the text: its first byte, behind the colon, behind its LF */
};

struct message_header {
    stralloc text; /* owned: all that was read; the header is its first LENGTH bytes */
    size_t length;
    size_t rest; /* where the body begins: behind the empty line, or where no field stood */
    struct message_field *fields; /* owned */
    size_t count;
    unsigned int present; /* bit 1 << field_name */
    bool resent;          /* one of the Resent- fields is there */
};

/* Looks at one more piece of the message. Returns true once the header is over; false asks for
 * more. Dies when the header is too long. ENDED: there is no more, the header is over. */
bool message_header_add(struct message_header *header, char const *bytes, size_t length,
                        bool ended);

unsigned int message_header_traits(enum field_name name);
bool message_header_has(struct message_header const *header, enum field_name name);

#endif
