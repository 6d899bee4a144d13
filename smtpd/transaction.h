/* What MAIL and RCPT have agreed on so far: one message's envelope. */
#ifndef EKIDEN_TRANSACTION_H
#define EKIDEN_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "smtpd/command.h"

struct transaction {
    bool open;      /* MAIL was accepted */
    bool attempted; /* RCPT was tried */
    bool full;      /* a recipient was refused because there were maxrcpt */
    bool body_8bit, smtputf8;
    uint64_t recipients;
    size_t first_recipient, first_length; /* into envelope */
    size_t sender_length;
    stralloc envelope; /* as queue/envelope.h has it; freed with the transaction */
};
#define TRANSACTION_ZERO                                                                           \
    {                                                                                              \
        .open = false, .envelope = STRALLOC_ZERO                                                   \
    }

/* Begins with the sender of MAIL. False when out of memory. */
bool transaction_begin(struct transaction *transaction, struct command_mail const *mail);

/* Adds a recipient, unquoted, with what RCPT asked for him. False when out of memory: the envelope
 * is as before. */
bool transaction_add(struct transaction *transaction, char const *recipient, size_t length,
                     struct command_rcpt const *rcpt);

/* Writes the closing NUL. False when out of memory. */
bool transaction_close(struct transaction *transaction);

/* The sender, NUL-terminated, in the envelope. Only while the transaction is open. */
char const *transaction_sender(struct transaction const *transaction);

/* Forgets everything and frees the memory. */
void transaction_reset(struct transaction *transaction);

#endif
