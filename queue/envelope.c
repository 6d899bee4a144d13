#include "queue/envelope.h"

/* What can be read; BEGIN and END have no content. */
enum record { BEGIN, SENDER, ENVID, RETURN, RECIPIENT, NOTIFY, ORCPT, END, RECORDS };

#define BIT(record) (1u << (record))

/* The grammar: what a record holds, and which ones may follow. Of those the byte that begins one
 * tells which. */
static struct {
    size_t least, most; /* octets */
    unsigned int followers;
} const records[RECORDS] = {
    [BEGIN] = {.followers = BIT(SENDER)},
    [SENDER] = {0, ENVELOPE_ADDRESS_MAX, BIT(ENVID) | BIT(RETURN) | BIT(RECIPIENT)},
    [ENVID] = {1, DSN_ENVID_MAX, BIT(RETURN) | BIT(RECIPIENT)},
    [RETURN] = {1, 1, BIT(RECIPIENT)},
    [RECIPIENT] = {1, ENVELOPE_ADDRESS_MAX, BIT(NOTIFY) | BIT(ORCPT) | BIT(RECIPIENT) | BIT(END)},
    [NOTIFY] = {1, DSN_LETTERS_MAX, BIT(ORCPT) | BIT(RECIPIENT) | BIT(END)},
    [ORCPT] = {1, DSN_ORCPT_MAX, BIT(RECIPIENT) | BIT(END)},
};

/* The record that byte C begins. BEGIN: none. */
static enum record find_record(unsigned char c, bool marks)
{
    switch (c) {
    case 0:
        return END;
    case ENVELOPE_SENDER:
        return SENDER;
    case ENVELOPE_ENVID:
        return ENVID;
    case ENVELOPE_RETURN:
        return RETURN;
    case ENVELOPE_TODO:
        return RECIPIENT;
    case ENVELOPE_DONE:
    case ENVELOPE_DELIVERED:
    case ENVELOPE_FAILED:
        return marks ? RECIPIENT : BEGIN;
    case ENVELOPE_NOTIFY:
        return NOTIFY;
    case ENVELOPE_ORCPT:
        return ORCPT;
    default:
        return BEGIN;
    }
}

void envelope_start(struct envelope_parser *parser, bool marks)
{
    *parser = (struct envelope_parser){.marks = marks, .record = BEGIN};
}

static enum envelope_result begin_record(struct envelope_parser *parser, unsigned char c)
{
    enum record const record = find_record(c, parser->marks);
    if (!(records[parser->record].followers & BIT(record)))
        return ENVELOPE_FORMAT;
    if (record == END)
        return ENVELOPE_COMPLETE;
    parser->record = record;
    parser->inside = true;
    parser->length = 0;
    dsn_check_start(&parser->check, record == ORCPT);
    return ENVELOPE_MORE;
}

static bool is_content(struct envelope_parser *parser, unsigned char c)
{
    switch (parser->record) {
    case ENVID:
    case ORCPT:
        return dsn_check_byte(&parser->check, c);
    case RETURN:
        return c == DSN_RETURN_FULL || c == DSN_RETURN_HEADERS;
    case NOTIFY:
        parser->notify[parser->length - 1] = (char)c;
        return true;
    default:
        return c >= ' ' && c != 0x7f;
    }
}

static bool is_whole(struct envelope_parser const *parser)
{
    if (parser->length < records[parser->record].least)
        return false;
    switch (parser->record) {
    case ENVID:
    case ORCPT:
        return dsn_check_end(&parser->check);
    case NOTIFY:
        return dsn_notify_bits(parser->notify, parser->length) != 0;
    default:
        return true;
    }
}

static enum envelope_result end_record(struct envelope_parser *parser)
{
    if (!is_whole(parser))
        return ENVELOPE_FORMAT;
    parser->inside = false;
    if (parser->record == RECIPIENT && ++parser->recipients > ENVELOPE_RECIPIENTS_MAX)
        return ENVELOPE_TOO_LONG;
    return ENVELOPE_MORE;
}

static enum envelope_result parse_byte(struct envelope_parser *parser, unsigned char c)
{
    if (!parser->inside)
        return begin_record(parser, c);
    if (c == 0)
        return end_record(parser);
    if (++parser->length > records[parser->record].most)
        return ENVELOPE_TOO_LONG;
    return is_content(parser, c) ? ENVELOPE_MORE : ENVELOPE_FORMAT;
}

enum envelope_result envelope_parse(struct envelope_parser *parser, char const *bytes,
                                    size_t length, size_t *used)
{
    for (size_t i = 0; i < length; i++) {
        enum envelope_result const result = parse_byte(parser, (unsigned char)bytes[i]);
        if (result != ENVELOPE_MORE) {
            *used = i + 1;
            return result;
        }
    }
    *used = length;
    return ENVELOPE_MORE;
}
