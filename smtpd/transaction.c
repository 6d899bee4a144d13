#include "smtpd/transaction.h"

static bool add_record(stralloc *envelope, char letter, char const *address, size_t length)
{
    if (!stralloc_readyplus(envelope, length + 2))
        return false;
    (void)stralloc_append(envelope, letter); /* there is room for all three */
    (void)stralloc_catb(envelope, address, length);
    (void)stralloc_append(envelope, 0);
    return true;
}

bool transaction_begin(struct transaction *transaction, char const *sender, size_t length)
{
    transaction_reset(transaction);
    if (!add_record(&transaction->envelope, 'F', sender, length))
        return false;
    transaction->sender_length = length;
    transaction->open = true;
    return true;
}

bool transaction_add(struct transaction *transaction, char const *recipient, size_t length)
{
    size_t start = transaction->envelope.len + 1;
    if (!add_record(&transaction->envelope, 'T', recipient, length))
        return false;
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
