#include "queue/bounce_status.h"

#include <string.h>

#include "lib/date.h"
#include "queue/bounce_reason.h"

#define DIAGNOSTIC_LEAST 24 /* bytes: a shorter text is left out */

static bool add(stralloc *out, char const *text)
{
    return stralloc_catb(out, text, strlen(text)) != 0;
}

static bool add_date(stralloc *out, char const *name, uint64_t when)
{
    char date[DATE_SIZE];
    date_format(date, when > INT64_MAX ? 0 : (time_t)when);
    return add(out, name) && add(out, date) && add(out, "\n");
}

/* What RFC 3461's parameter said, decoded; a control character cannot have come in. */
static bool add_decoded(stralloc *out, char const *xtext, size_t length)
{
    char decoded[DSN_ORCPT_MAX + 1];
    dsn_decode(decoded, xtext, length);
    return bounce_show(out, decoded, strlen(decoded), DSN_ORCPT_MAX, true);
}

static bool add_envelope_id(stralloc *out, struct queue_message const *message)
{
    return !message->envid ||
           (add(out, "Original-Envelope-Id: ") &&
            add_decoded(out, message->envid, strlen(message->envid)) && add(out, "\n"));
}

static bool add_original(stralloc *out, struct queue_recipient const *recipient)
{
    char const *const orcpt = queue_recipient_orcpt(recipient);
    if (!orcpt)
        return true;
    size_t const type = strcspn(orcpt, ";") + 1;
    return add(out, "Original-Recipient: ") && stralloc_catb(out, orcpt, type) && add(out, " ") &&
           add_decoded(out, orcpt + type, strlen(orcpt + type)) && add(out, "\n");
}

/* RFC 3464 2.3.3. */
static char const *find_action(struct bounce_status const *status,
                               struct bounce_failure const *failure)
{
    if (status->class != '2')
        return status->delayed ? "delayed" : "failed";
    return failure->letter == NOTES_DELIVERED  ? "delivered"
           : failure->letter == NOTES_EXPANDED ? "expanded"
                                               : "relayed";
}

/* What a recipient must have (RFC 3464 2.3): of these fields nothing is ever cut. */
static bool add_recipient(struct bounce_status const *status, struct bounce_failure const *failure,
                          struct bounce_reason const *reason)
{
    struct queue_recipient const *const recipient = status->message->recipients + failure->index;
    stralloc *const out = status->text;
    bool const utf8 = bounce_is_utf8(recipient->address, recipient->length);
    out->len = 0;
    return add(out, "\n") && add_original(out, recipient) &&
           add(out, utf8 ? "Final-Recipient: utf-8; " : "Final-Recipient: rfc822; ") &&
           bounce_show_address(out, recipient->address, recipient->length, utf8) &&
           add(out, "\nAction: ") && add(out, find_action(status, failure)) &&
           add(out, "\nStatus: ") && add(out, reason->code) && add(out, "\n") &&
           (!status->delayed || add_date(out, "Will-Retry-Until: ",
                                         status->message->arrival + status->settings->lifetime));
}

/* The name, or the address in brackets: what a domain of RFC 5321 can be. */
static bool add_remote(stralloc *out, struct bounce_reason const *reason)
{
    if (!reason->peer_length)
        return true;
    bool const ipv6 = memchr(reason->peer, ':', reason->peer_length) != NULL;
    bool const ipv4 = !ipv6 && strspn(reason->peer, "0123456789.") >= reason->peer_length;
    return add(out, "Remote-MTA: dns; ") &&
           add(out, ipv6   ? "[IPv6:"
                    : ipv4 ? "["
                           : "") &&
           stralloc_catb(out, reason->peer, reason->peer_length) &&
           add(out, ipv6 || ipv4 ? "]\n" : "\n");
}

/* Who said it, and what, in at most ROOM bytes. */
static bool put_diagnostic(struct bounce_status const *status, struct bounce_writer *writer,
                           struct bounce_reason const *reason, char const *text, uint64_t room)
{
    static char const smtp[] = "Diagnostic-Code: smtp;", own[] = "Diagnostic-Code: X-Ekiden;";
    char const *const name = *reason->reply ? smtp : own;
    char const *const said = *reason->reply ? reason->reply : text;
    stralloc *const out = status->text;
    size_t const length = strlen(name);
    out->len = 0;
    if (!add_remote(out, reason))
        return false;
    if (room < out->len + length + 2 + DIAGNOSTIC_LEAST)
        return true;
    bounce_put(writer, out->s, out->len);
    room -= out->len + length + 2;
    out->len = 0;
    if (!bounce_show(out, said, strlen(said), room < JOB_TEXT_MAX ? (size_t)room : JOB_TEXT_MAX,
                     status->failures->utf8) ||
        !stralloc_0(out))
        return false;
    bounce_puts(writer, name);
    bounce_puts(writer, " ");
    bounce_put_folded(writer, out->s, length + 1, " ");
    return true;
}

static bool put_recipients(struct bounce_status const *status, struct bounce_writer *writer)
{
    struct bounce_failures const *const failures = status->failures;
    for (uint32_t i = 0; i < failures->shown; i++) {
        struct bounce_failure const *const failure = failures->list + i;
        struct bounce_reason reason;
        bounce_reason_parse(&reason, failure->text, status->class);
        if (!add_recipient(status, failure, &reason))
            return false;
        uint64_t const left = status->end > writer->written ? status->end - writer->written : 0;
        if (i > 0 && left < status->text->len) /* the first always has its place */
            return true;
        size_t const must = status->text->len;
        uint64_t const share = left / (failures->shown - i);
        bounce_put(writer, status->text->s, must);
        if (!put_diagnostic(status, writer, &reason, failure->text,
                            share > must ? share - must : 0))
            return false;
    }
    return true;
}

bool bounce_status_write(struct bounce_status const *status, struct bounce_writer *writer)
{
    stralloc *const out = status->text;
    bounce_puts(writer, status->failures->utf8 ? "Content-Type: message/global-delivery-status\n"
                                                 "Content-Transfer-Encoding: quoted-printable\n\n"
                                               : "Content-Type: message/delivery-status\n\n");
    bounce_writer_encode(writer, status->failures->utf8);
    out->len = 0;
    if (!add_envelope_id(out, status->message) || !add(out, "Reporting-MTA: dns; ") ||
        !add(out, status->settings->me) || !add(out, "\n") ||
        !add_date(out, "Arrival-Date: ", status->message->arrival))
        return false;
    bounce_put(writer, out->s, out->len);
    if (!put_recipients(status, writer))
        return false;
    bounce_writer_encode(writer, false);
    return true;
}
