#include "tools/compose.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <skalibs/bytestr.h>

#include "lib/address.h"
#include "lib/date.h"
#include "lib/header_address.h"
#include "queue/queue_file.h"
#include "tools/display_name.h"
#include "tools/problem.h"

static void add(stralloc *out, char const *bytes, size_t length)
{
    if (!stralloc_catb(out, bytes, length))
        problem_die(PROBLEM_TEMPORARY, "out of memory", errno);
}

static void add_text(stralloc *out, char const *text)
{
    add(out, text, strlen(text));
}

/* Appends an address for the envelope: LOCAL, `@`, the domain completed and in lower case. */
static void add_completed(struct compose *compose, stralloc *out, char const *local,
                          size_t local_length, char const *domain, size_t domain_length)
{
    size_t const start = out->len;
    add(out, local, local_length);
    add(out, "@", 1);
    size_t const at = out->len;
    sender_names_domain(out, compose->names, domain, domain_length);
    if (out->s[at] != '[') /* the name of an address family is kept as it is */
        case_lowerb(out->s + at, out->len - at);
    for (size_t i = start; i < out->len; i++)
        compose->utf8 |= (unsigned char)out->s[i] >= 0x80;
    if (out->len - start > ENVELOPE_ADDRESS_MAX)
        problem_die_about(PROBLEM_RECIPIENT, "5.1.3 the address is too long", out->s + start,
                          out->len - start);
}

void compose_envelope_address(struct compose *compose, stralloc *out, char const *address)
{
    size_t const length = strlen(address);
    char const *const at = strrchr(address, '@');
    size_t const local = at ? (size_t)(at - address) : length;
    if (!local || !address_is_utf8(address, length))
        problem_die_about(PROBLEM_RECIPIENT, "5.1.3 this cannot be an address", address, length);
    add_completed(compose, out, address, local, at ? at + 1 : "", at ? length - local - 1 : 0);
}

static void add_recipient(struct compose *compose, struct header_address const *address)
{
    size_t const local = address->local_length;
    size_t const domain = address->has_domain ? address->length - local - 1 : 0;
    add_completed(compose, &compose->recipients, address->bytes, local,
                  address->bytes + local + (domain > 0), domain);
    add(&compose->recipients, "", 1);
    compose->recipient_count++;
}

void compose_argument(struct compose *compose, char const *text, bool is_list)
{
    struct header_address_list list;
    struct header_address address;
    enum header_address_result result = HEADER_ADDRESS_END;
    if (!is_list) {
        compose_envelope_address(compose, &compose->recipients, text);
        add(&compose->recipients, "", 1);
        compose->recipient_count++;
        return;
    }
    size_t const before = compose->recipient_count;
    header_address_start(&list, text, strlen(text));
    while ((result = header_address_next(&list, &address)) == HEADER_ADDRESS_ONE && address.length)
        add_recipient(compose, &address);
    if (result != HEADER_ADDRESS_END || compose->recipient_count == before)
        problem_die_about(PROBLEM_RECIPIENT, "5.1.3 this cannot be an address", text, strlen(text));
}

/* Which of a field's addresses go where. */
struct use {
    bool recipients, return_path;
};

static void use_address(struct compose *compose, struct use use,
                        struct header_address const *address)
{
    if (use.recipients && address->length)
        add_recipient(compose, address);
    if (use.return_path && !compose->has_return_path) {
        compose->has_return_path = true;
        if (address->length)
            compose_envelope_address(compose, &compose->return_path, address->bytes);
    }
}

/* Appends the field's body with its addresses completed. False: it could not be read, OUT holds
 * nothing of it. */
static bool rewrite(struct compose *compose, stralloc *out, char const *text, size_t length,
                    struct use use)
{
    struct header_address_list list;
    struct header_address address;
    enum header_address_result result;
    size_t const start = out->len;
    size_t copied = 0;
    header_address_start(&list, text, length);
    while ((result = header_address_next(&list, &address)) == HEADER_ADDRESS_ONE) {
        use_address(compose, use, &address);
        if (!address.length)
            continue;
        add(out, text + copied, address.domain - copied);
        if (!address.has_domain)
            add(out, "@", 1);
        char const *const domain = text + address.domain;
        copied = address.end;
        /* A domain of several words, with comments between them, is complete. */
        if (address.has_domain &&
            copied - address.domain != address.length - address.local_length - 1) {
            add(out, domain, copied - address.domain);
            continue;
        }
        sender_names_domain(out, compose->names, domain, copied - address.domain);
    }
    if (result != HEADER_ADDRESS_END) {
        out->len = start;
        return false;
    }
    add(out, text + copied, length - copied);
    return true;
}

static bool is_removed(struct compose const *compose, struct message_header const *header,
                       enum field_name name)
{
    unsigned int const flags = compose->names->flags;
    if (message_header_traits(name) & FIELD_REMOVED)
        return true;
    if (flags & SENDER_OWN_FROM)
        if (name == (header->resent ? FIELD_RESENT_FROM : FIELD_FROM))
            return true;
    return (flags & SENDER_OWN_ID) &&
           name == (header->resent ? FIELD_RESENT_MESSAGE_ID : FIELD_MESSAGE_ID);
}

static void compose_field(struct compose *compose, struct message_header const *header,
                          struct message_field const *field)
{
    stralloc *const out = &compose->header;
    unsigned int const traits = message_header_traits(field->name);
    char const *const text = header->text.s;
    bool const resent = traits & FIELD_RESENT;
    struct use const use = {.recipients = compose->header_recipients &&
                                          (traits & FIELD_RECIPIENTS) && resent == header->resent,
                            .return_path = traits & FIELD_RETURN_PATH};
    size_t const start = out->len;
    add(out, text + field->start, field->body - field->start);
    bool const read = !(traits & (FIELD_ADDRESSES | FIELD_RETURN_PATH)) ||
                      rewrite(compose, out, text + field->body, field->end - field->body, use);
    if (!read && use.recipients)
        problem_die_about(PROBLEM_DATA, "5.6.0 this field's addresses cannot be read",
                          text + field->start, field->end - field->start);
    if (!read || !(traits & (FIELD_ADDRESSES | FIELD_RETURN_PATH)))
        add(out, text + field->body, field->end - field->body);
    if (is_removed(compose, header, field->name))
        out->len = start;
}

static void add_from(struct compose *compose, bool resent)
{
    struct sender_names const *const names = compose->names;
    stralloc *const out = &compose->header;
    stralloc address = STRALLOC_ZERO, quoted = STRALLOC_ZERO;
    if (compose->from) {
        add(&address, compose->from->s, compose->from->len);
    } else {
        bool const utf8 = compose->utf8;
        add_completed(compose, &address, names->user, strlen(names->user), names->host,
                      strlen(names->host));
        compose->utf8 = utf8; /* it is none of the envelope */
    }
    if (!address_quote(&quoted, address.s, address.len))
        problem_die(PROBLEM_TEMPORARY, "out of memory", errno);
    add_text(out, resent ? "Resent-From: " : "From: ");
    if (names->name && !(names->flags & SENDER_COMMENT_NAME)) {
        display_name_add(out, names->name, false);
        add_text(out, " <");
    }
    add(out, quoted.s, quoted.len);
    if (names->name && !(names->flags & SENDER_COMMENT_NAME))
        add_text(out, ">");
    else if (names->name) {
        add_text(out, " (");
        display_name_add(out, names->name, true);
        add_text(out, ")");
    }
    add_text(out, "\n");
    stralloc_free(&address);
    stralloc_free(&quoted);
}

static bool has(struct compose const *compose, struct message_header const *header,
                enum field_name name)
{
    return message_header_has(header, name) && !is_removed(compose, header, name);
}

/* RFC 5322 3.6 and 3.6.6 ask for these; what is there is never doubled. */
static void add_missing(struct compose *compose, struct message_header const *header)
{
    stralloc *const out = &compose->header;
    bool const resent = header->resent;
    if (!has(compose, header, resent ? FIELD_RESENT_DATE : FIELD_DATE)) {
        char date[DATE_SIZE];
        (void)date_format(date, time(NULL));
        add_text(out, resent ? "Resent-Date: " : "Date: ");
        add_text(out, date);
        add_text(out, "\n");
    }
    if (!has(compose, header, resent ? FIELD_RESENT_MESSAGE_ID : FIELD_MESSAGE_ID)) {
        char id[QUEUE_ID_LENGTH + 1];
        queue_file_name(id);
        add_text(out, resent ? "Resent-Message-ID: <" : "Message-ID: <");
        add_text(out, id);
        add_text(out, "@");
        add_text(out, compose->names->id_host);
        add_text(out, ">\n");
    }
    if (!has(compose, header, resent ? FIELD_RESENT_FROM : FIELD_FROM))
        add_from(compose, resent);
    if (!message_header_has(header, resent ? FIELD_RESENT_TO : FIELD_TO) &&
        !message_header_has(header, resent ? FIELD_RESENT_CC : FIELD_CC))
        add_text(out, resent ? "Resent-To: undisclosed-recipients:;\n"
                             : "To: undisclosed-recipients:;\n");
}

void compose_header(struct compose *compose, struct message_header const *header)
{
    for (size_t i = 0; i < header->count; i++)
        compose_field(compose, header, header->fields + i);
    add_missing(compose, header);
}
