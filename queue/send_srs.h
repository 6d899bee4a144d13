/* The sender under which a message that was forwarded leaves for another host: lib/srs.h. The queue
 * file keeps the one that it came with, so reports of ours go straight to him. */
#ifndef EKIDEN_SEND_SRS_H
#define EKIDEN_SEND_SRS_H

#include "lib/srs.h"
#include "queue/send.h"

/* The sender to say in place of SENDER (of the message, or what VERP made of it): SENDER itself, or
 * made in OUT. Domains of our own (locals, virtualdomains, srsdomain) are not rewritten: that they
 * let us send is for their owners to see to. */
char const *send_srs_sender(char out[SRS_SIZE], struct send const *send,
                            struct queue_message const *message, char const *sender);

/* What a recipient's address means in this respect. */
enum send_srs {
    SEND_SRS_NONE,     /* nothing */
    SEND_SRS_ORIGINAL, /* it stands for a sender, to whom the mail goes on */
    SEND_SRS_INVALID,  /* it looks so, and is not signed by us, or too old */
    SEND_SRS_UNKNOWN   /* the keys cannot be used now */
};

/* Looks at an address that mail from this host has: ekiden-smtpd has done the same for all that
 * comes from others. Writes the sender into OUT. */
enum send_srs send_srs_look(char out[SRS_SIZE], struct send const *send, char const *address,
                            size_t length);

/* True unless send_srs_look would find nothing. */
bool send_srs_is(struct send const *send, char const *address, size_t length);

/* True when the message has to wait until the file of keys is mended. */
bool send_srs_waits(struct send const *send, struct queue_message const *message);

#endif
