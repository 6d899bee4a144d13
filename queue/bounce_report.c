#include "queue/bounce_report.h"

#include <errno.h>
#include <string.h>

#include "lib/address.h"
#include "lib/date.h"
#include "queue/bounce_reason.h"
#include "queue/bounce_status.h"

#define TEXT_MAX 22000 /* bytes of the part for people that are about recipients */

static struct {
    char const *subject, *happened, *next;
} const texts[] = {
    [BOUNCE_FAILED] =
        {"Your message was not delivered",
         "Your message could not be delivered to the recipients below, and will not be tried "
         "again. This says nothing about other recipients that it may have had.",
         "What you can do: look whether each address is right, and read the reason below it. "
         "If you need help, ask your postmaster, and send this report along."},
    [BOUNCE_DELAYED] =
        {"Your message is delayed",
         "Your message could not be delivered to the recipients below so far. You need not do "
         "anything, and need not send it again.",
         "It will be tried until the time below. Should it fail for good, you will be told."},
    [BOUNCE_DOUBLE] =
        {"A report of failed delivery was not delivered",
         "A message without a sender, most likely a report of failed delivery, could not be "
         "delivered to the recipients below (a double bounce). It is not tried again, and its "
         "own sender is not told.",
         "Most often the sender of the first message was forged, or cannot receive mail. There "
         "is nothing to do unless such reports pile up."},
    [BOUNCE_SUCCESS] =
        {"Your message was delivered",
         "Your message reached the recipients below, as far as each line says. You are told "
         "because you asked for it.",
         "There is nothing to do. That a message was delivered does not mean that it was read."},
};

/* For each kind the class of a status code (RFC 3463). */
static char const classes[] = {
    [BOUNCE_FAILED] = '5', [BOUNCE_DELAYED] = '4', [BOUNCE_DOUBLE] = '5', [BOUNCE_SUCCESS] = '2'};

static char const *success_words(enum notes_letter letter)
{
    return letter == NOTES_DELIVERED ? "It was delivered."
           : letter == NOTES_EXPANDED
               ? "It was passed on to the addresses that this one stands for; no more will be said."
               : "It was passed on to a server that says no more about it.";
}

/* report->text becomes ADDRESS as it is shown. */
static bool show_address(struct bounce_report *report, char const *address, size_t length)
{
    report->text.len = 0;
    return bounce_show_address(&report->text, address, length, true) && stralloc_0(&report->text);
}

static void put_date(struct bounce_writer *writer, char const *name, uint64_t when)
{
    char date[DATE_SIZE];
    date_format(date, when > INT64_MAX ? 0 : (time_t)when);
    bounce_puts(writer, name);
    bounce_puts(writer, date);
    bounce_puts(writer, "\n");
}

/* RFC 3834 5: `auto-replied` is what an answer to a message has, be it about failure or delay;
 * `auto-generated` is for mail that nobody's message has caused. */
static bool put_header(struct bounce_report *report, struct bounce_writer *writer)
{
    char const *const id = report->original->header.message_id;
    put_date(writer, "Date: ", report->now);
    bounce_puts(writer, "From: Mail Delivery System <");
    bounce_puts(writer, report->settings->from);
    bounce_puts(writer, ">\nTo: ");
    if (!show_address(report, report->to, strlen(report->to)))
        return false;
    bounce_puts(writer, report->text.s);
    /* A name alone is no address of RFC 5322. */
    if (!strchr(report->to, '@') && strlen(report->to) <= ADDRESS_LOCAL_MAX) {
        bounce_puts(writer, "@");
        bounce_puts(writer, report->settings->me);
    }
    bounce_puts(writer, "\nSubject: ");
    bounce_puts(writer, texts[report->kind].subject);
    bounce_puts(writer, "\nMessage-ID: <");
    bounce_puts(writer, report->id);
    bounce_puts(writer, "@");
    bounce_puts(writer, report->settings->me);
    bounce_puts(writer, ">\n");
    if (*id) {
        bounce_puts(writer, "In-Reply-To: ");
        bounce_put_folded(writer, id, sizeof "In-Reply-To:", " ");
        bounce_puts(writer, "References: ");
        bounce_put_folded(writer, id, sizeof "References:", " ");
    }
    bounce_puts(writer,
                "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
                "Content-Type: multipart/report; report-type=delivery-status;\n boundary=\"");
    bounce_puts(writer, report->boundary);
    bounce_puts(writer, "\"\n\nThis is a report of a mail server, in the form of RFC 6522.\n");
    return true;
}

static void put_boundary(struct bounce_report const *report, struct bounce_writer *writer,
                         char const *end)
{
    bounce_puts(writer, "\n--");
    bounce_puts(writer, report->boundary);
    bounce_puts(writer, end);
}

/* The recipients, each with its reason in plain words and in those of the server. */
static bool put_recipients(struct bounce_report *report, struct bounce_writer *writer)
{
    struct bounce_failures const *const failures = report->failures;
    uint64_t const end = writer->written + TEXT_MAX;
    uint32_t i;
    for (i = 0; i < failures->shown && writer->written < end; i++) {
        struct bounce_failure const *const failure = failures->list + i;
        struct queue_recipient const *const recipient =
            report->message->recipients + failure->index;
        struct bounce_reason reason;
        bounce_reason_parse(&reason, failure->text, classes[report->kind]);
        if (!show_address(report, recipient->address, recipient->length))
            return false;
        bounce_puts(writer, "\n<");
        bounce_puts(writer, report->text.s);
        bounce_puts(writer, ">\n    ");
        bounce_puts(writer,
                    report->kind == BOUNCE_SUCCESS ? success_words(failure->letter) : reason.words);
        bounce_puts(writer, "\n    ");
        report->text.len = 0;
        if (!bounce_show(&report->text, failure->text, strlen(failure->text), JOB_TEXT_MAX, true) ||
            !stralloc_0(&report->text))
            return false;
        bounce_put_folded(writer, report->text.s, 4, "    ");
    }
    if (i < failures->count) {
        bounce_puts(writer, "\n... and ");
        bounce_put_number(writer, failures->count - i);
        bounce_puts(writer, " more recipients: see the next part of this report, which lists as "
                            "many\nas it has room for, and the log of the server.\n");
    }
    return true;
}

static bool put_text_part(struct bounce_report *report, struct bounce_writer *writer)
{
    struct queue_message const *const message = report->message;
    bool const utf8 =
        report->failures->utf8 || bounce_is_utf8(message->sender, message->sender_length);
    put_boundary(report, writer, "\n");
    bounce_puts(writer, utf8 ? "Content-Type: text/plain; charset=utf-8\n"
                               "Content-Transfer-Encoding: quoted-printable\n\n"
                             : "Content-Type: text/plain; charset=us-ascii\n\n");
    bounce_writer_encode(writer, utf8);
    bounce_puts(writer, "This is the mail server ");
    bounce_puts(writer, report->settings->me);
    bounce_puts(writer, ".\n\n");
    bounce_put_folded(writer, texts[report->kind].happened, 0, "");
    bounce_puts(writer, "\n");
    bounce_put_folded(writer, texts[report->kind].next, 0, "");
    put_date(writer, "\nThe message came in: ", message->arrival);
    if (message->sender_length) {
        if (!show_address(report, message->sender, message->sender_length))
            return false;
        bounce_puts(writer, "Its sender:          <");
        bounce_puts(writer, report->text.s);
        bounce_puts(writer, ">\n");
    }
    bounce_puts(writer, "Its name in our log: ");
    bounce_puts(writer, report->about);
    bounce_puts(writer, "\n");
    if (report->kind == BOUNCE_DELAYED)
        put_date(writer, "It is tried until:   ", message->arrival + report->settings->lifetime);
    if (!put_recipients(report, writer))
        return false;
    bounce_writer_encode(writer, false);
    return true;
}

static bool put_original(struct bounce_report *report, struct bounce_writer *writer)
{
    struct bounce_original const *const original = report->original;
    if (original->form == BOUNCE_FORM_NONE)
        return true;
    put_boundary(report, writer, "\n");
    bounce_puts(writer, bounce_original_fields(original));
    if (original->cut)
        bounce_puts(writer, "Content-Description: the beginning of the header\n");
    bounce_puts(writer, "\n");
    return bounce_original_write(original, writer);
}

/* The second part may have what the original leaves of the whole. */
static uint64_t status_end(struct bounce_report const *report, struct bounce_writer const *writer)
{
    uint64_t const least = 20000;
    uint64_t const original = report->original->returned * (report->original->encoded ? 3 : 1);
    uint64_t const used = writer->written + original;
    return writer->written + (used + least < BOUNCE_REPORT_MAX ? BOUNCE_REPORT_MAX - used : least);
}

bool bounce_report_write(struct bounce_report *report, struct bounce_writer *writer)
{
    if (!put_header(report, writer) || !put_text_part(report, writer))
        return false;
    put_boundary(report, writer, "\n");
    struct bounce_status status = {.delayed = report->kind == BOUNCE_DELAYED,
                                   .class = classes[report->kind],
                                   .settings = report->settings,
                                   .message = report->message,
                                   .failures = report->failures,
                                   .end = status_end(report, writer),
                                   .text = &report->text};
    if (!bounce_status_write(&status, writer) || !put_original(report, writer))
        return false;
    put_boundary(report, writer, "--\n");
    return true;
}
