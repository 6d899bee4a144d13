/* The sender under which a message leaves for another host, where it is not the one that the queue
 * file has: of what was forwarded a sender of ours (lib/srs.h), of our users' own mail the same
 * address, signed (lib/batv.h). The queue file keeps the one that the message came with, so reports
 * of ours go straight to him. */
#ifndef EKIDEN_SEND_REWRITE_H
#define EKIDEN_SEND_REWRITE_H

#include "lib/batv.h"
#include "lib/srs.h"
#include "queue/send.h"

#define SEND_REWRITE_SIZE (ADDRESS_MAX + 1)

/* The sender to say by ROUTE in place of SENDER (of the message, or what VERP made of it): SENDER
 * itself, or made in OUT. Domains of our own (locals, virtualdomains, srsdomain) are never
 * rewritten: that they let us send is for their owners to see to. An address of locals or
 * virtualdomains is signed, but not for an LMTP server: that is a mailbox of ours. */
char const *send_rewrite_sender(char out[SEND_REWRITE_SIZE], struct send const *send,
                                struct queue_message const *message, char const *sender,
                                struct smtproute const *route);

/* What a recipient's address means in this respect. */
enum send_rewrite {
    SEND_REWRITE_NONE,     /* nothing */
    SEND_REWRITE_ORIGINAL, /* it stands for a sender, to whom the mail goes on */
    SEND_REWRITE_INVALID,  /* it looks so, and is not signed by us, or too old */
    SEND_REWRITE_UNKNOWN   /* the keys cannot be used now */
};

/* Looks at an address that mail from this host has: ekiden-smtpd has done the same for all that
 * comes from others. Writes the sender into OUT. (Of a signed address the signature is not looked
 * at: it gives no right but to write to a mailbox of ours, which this host has anyway.) */
enum send_rewrite send_rewrite_look(char out[SEND_REWRITE_SIZE], struct send const *send,
                                    char const *address, size_t length);

/* True unless send_rewrite_look would find nothing. */
bool send_rewrite_is(struct send const *send, char const *address, size_t length);

/* Why the message has to wait until a file of keys is mended: the words for a recipient that is put
 * off. NULL: it has not. */
char const *send_rewrite_obstacle(struct send const *send, struct queue_message const *message);

/* The words for one whose address cannot be looked at: SEND_REWRITE_UNKNOWN. */
extern char const send_rewrite_srs_unusable[];

#endif
