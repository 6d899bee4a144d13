#include "deliver/remote_envelope.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/address.h"

/* The null sender, also in the form that qmail uses for double bounces. */
static bool is_null(char const *sender)
{
    return !*sender || strcmp(sender, "#@[]") == 0;
}

static bool is_ascii(char const *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 127)
            return false;
    return true;
}

/* An address without a domain is for the server to judge (RFC 5321 has `postmaster`). The local
 * part may be longer than the RFC's 64 octets, as those of mailing lists are. */
static bool is_speakable(char const *address)
{
    size_t const length = strlen(address);
    char const *const at = strrchr(address, '@');
    if (length == 0 || length > JOB_ADDRESS_MAX || !address_is_utf8(address, length))
        return false;
    if (!at)
        return true;
    size_t const domain = strlen(at + 1);
    return at > address &&
           (address_is_domain(at + 1, domain, true) || address_is_literal(at + 1, domain));
}

void remote_envelope_settle(struct remote_transaction *transaction, struct failure const *failure)
{
    for (unsigned int i = 0; i < transaction->count; i++)
        if (!transaction->recipients[i].settled) {
            transaction->recipients[i].settled = true;
            transaction->recipients[i].failure = *failure;
        }
}

bool remote_envelope_reopen(struct remote_transaction *transaction, struct failure *failure)
{
    bool found = false;
    for (unsigned int i = 0; i < transaction->count; i++) {
        struct remote_recipient *const recipient = transaction->recipients + i;
        if (recipient->settled && recipient->failure.result == JOB_DEFERRED) {
            recipient->settled = false;
            *failure = recipient->failure;
            found = true;
        }
    }
    return found;
}

unsigned int remote_envelope_open(struct remote_transaction const *transaction)
{
    unsigned int open = 0;
    for (unsigned int i = 0; i < transaction->count; i++)
        open += !transaction->recipients[i].settled;
    return open;
}

void remote_envelope_check(struct remote_transaction *transaction)
{
    struct failure failure;
    if (!is_null(transaction->sender) && !is_speakable(transaction->sender)) {
        failure_set(&failure, JOB_FAILED, "5.1.7 the sender's address cannot be said in SMTP");
        remote_envelope_settle(transaction, &failure);
    }
    for (unsigned int i = 0; i < transaction->count; i++) {
        struct remote_recipient *const recipient = &transaction->recipients[i];
        if (recipient->settled || is_speakable(recipient->address))
            continue;
        recipient->settled = true;
        failure_set(&recipient->failure, JOB_FAILED, "5.1.3 the address cannot be said in SMTP");
    }
}

/* What holds for the message, whoever its recipients are. */
static bool is_international(struct remote_transaction const *transaction)
{
    return !is_ascii(transaction->sender) ||
           (transaction->message.smtputf8 && transaction->message.header_8bit);
}

static bool needs_8bit(struct remote_message const *message)
{
    return message->body_8bit || message->header_8bit;
}

static void cannot(struct failure *failure, char const *code, char const *peer, char const *what)
{
    failure->result = JOB_FAILED;
    snprintf(failure->text, sizeof failure->text, "%s %.100s %s", code, peer, what);
}

void remote_envelope_fit(struct remote_transaction *transaction,
                         struct remote_extensions const *extensions, char const *peer)
{
    struct remote_message const *const message = &transaction->message;
    struct failure failure;
    if (extensions->size_max && message->wire_length > extensions->size_max) {
        char what[120];
        snprintf(what, sizeof what,
                 "takes messages of up to %" PRIu64 " octets (SIZE), this one has %" PRIu64,
                 extensions->size_max, message->wire_length);
        cannot(&failure, "5.3.4", peer, what);
        remote_envelope_settle(transaction, &failure);
    }
    cannot(&failure, "5.6.7", peer, "cannot take addresses or header fields in UTF-8 (SMTPUTF8)");
    if (!extensions->smtputf8 && is_international(transaction))
        remote_envelope_settle(transaction, &failure);
    for (unsigned int i = 0; i < transaction->count && !extensions->smtputf8; i++) {
        struct remote_recipient *const recipient = &transaction->recipients[i];
        if (recipient->settled || is_ascii(recipient->address))
            continue;
        recipient->settled = true;
        recipient->failure = failure;
    }
    if (!extensions->eight_bit_mime && needs_8bit(message)) {
        cannot(&failure, "5.6.3", peer, "cannot take 8-bit text (8BITMIME)");
        remote_envelope_settle(transaction, &failure);
    }
}

static bool needs_smtputf8(struct remote_transaction const *transaction)
{
    bool needed = is_international(transaction);
    for (unsigned int i = 0; i < transaction->count; i++)
        needed |=
            !transaction->recipients[i].settled && !is_ascii(transaction->recipients[i].address);
    return needed;
}

/* RFC 3461 4.3, 4.4. */
static bool add_dsn_of_message(stralloc *line, struct dsn_message const *dsn)
{
    return (!dsn->return_wish ||
            stralloc_cats(line, dsn->return_wish == DSN_RETURN_FULL ? " RET=FULL" : " RET=HDRS")) &&
           (!dsn->envid || (stralloc_cats(line, " ENVID=") && stralloc_cats(line, dsn->envid)));
}

/* 4.1, 4.2. An ORCPT that nobody could take is left out: it decides on nothing. */
static bool add_dsn_of_recipient(stralloc *line, struct dsn_recipient const *dsn)
{
    char orcpt[DSN_ORCPT_MAX + 1];
    return (!dsn->notify || (stralloc_cats(line, " NOTIFY=") &&
                             stralloc_cats(line, dsn_notify_value(dsn->notify)))) &&
           (!dsn->orcpt || !dsn_orcpt_ascii(orcpt, dsn->orcpt) ||
            (stralloc_cats(line, " ORCPT=") && stralloc_cats(line, orcpt)));
}

bool remote_envelope_mail(stralloc *line, struct remote_transaction const *transaction,
                          struct remote_extensions const *extensions)
{
    char const *const sender = is_null(transaction->sender) ? "" : transaction->sender;
    char size[32];
    snprintf(size, sizeof size, " SIZE=%" PRIu64, transaction->message.wire_length);
    line->len = 0;
    return stralloc_cats(line, "MAIL FROM:<") && address_quote(line, sender, strlen(sender)) &&
           stralloc_cats(line, ">") && (!extensions->size || stralloc_cats(line, size)) &&
           (!extensions->eight_bit_mime || !needs_8bit(&transaction->message) ||
            stralloc_cats(line, " BODY=8BITMIME")) &&
           (!extensions->smtputf8 || !needs_smtputf8(transaction) ||
            stralloc_cats(line, " SMTPUTF8")) &&
           (transaction->taken != JOB_PASSED_ON || add_dsn_of_message(line, &transaction->dsn));
}

bool remote_envelope_rcpt(stralloc *line, struct remote_transaction const *transaction,
                          struct remote_recipient const *recipient)
{
    char const *const address = recipient->address;
    line->len = 0;
    return stralloc_cats(line, "RCPT TO:<") && address_quote(line, address, strlen(address)) &&
           stralloc_cats(line, ">") &&
           (transaction->taken != JOB_PASSED_ON || add_dsn_of_recipient(line, &recipient->dsn));
}
