#include "smtpd/transaction.h"

#include <string.h>

#include "queue/envelope.h"

/* There is room for it. */
static void add_record(stralloc *envelope, char letter, char const *content, size_t length)
{
    (void)stralloc_append(envelope, letter);
    (void)stralloc_catb(envelope, content, length);
    (void)stralloc_append(envelope, 0);
}

bool transaction_begin(struct transaction *transaction, struct command_mail const *mail)
{
    stralloc *const envelope = &transaction->envelope;
    char const wish = (char)mail->return_wish;
    transaction_reset(transaction);
    if (!stralloc_readyplus(envelope, mail->sender.length + 2 + mail->envid_length + 2 + 3))
        return false;
    add_record(envelope, ENVELOPE_SENDER, mail->sender.bytes, mail->sender.length);
    if (mail->envid)
        add_record(envelope, ENVELOPE_ENVID, mail->envid, mail->envid_length);
    if (wish)
        add_record(envelope, ENVELOPE_RETURN, &wish, 1);
    transaction->sender_length = mail->sender.length;
    transaction->body_8bit = mail->body_8bit;
    transaction->smtputf8 = mail->smtputf8;
    transaction->open = true;
    return true;
}

bool transaction_add(struct transaction *transaction, char const *recipient, size_t length,
                     struct command_rcpt const *rcpt)
{
    stralloc *const envelope = &transaction->envelope;
    size_t const start = envelope->len + 1;
    char const *const notify = dsn_notify_letters(rcpt->notify);
    if (!stralloc_readyplus(envelope, length + 2 + strlen(notify) + 2 + rcpt->orcpt_length + 2))
        return false;
    add_record(envelope, ENVELOPE_TODO, recipient, length);
    if (rcpt->notify)
        add_record(envelope, ENVELOPE_NOTIFY, notify, strlen(notify));
    if (rcpt->orcpt)
        add_record(envelope, ENVELOPE_ORCPT, rcpt->orcpt, rcpt->orcpt_length);
    if (transaction->recipients++ == 0) {
        transaction->first_recipient = start;
        transaction->first_length = length;
    }
    return true;
}

bool transaction_close(struct transaction *transaction)
{
    return stralloc_append(&transaction->envelope, 0) != 0;
}

char const *transaction_sender(struct transaction const *transaction)
{
    return transaction->envelope.s + 1;
}

void transaction_reset(struct transaction *transaction)
{
    stralloc_free(&transaction->envelope);
    *transaction = (struct transaction)TRANSACTION_ZERO;
}
