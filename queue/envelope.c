#include "queue/envelope.h"

/* What a byte is to the envelope. */
enum byte_class { BYTE_NUL, BYTE_CONTROL, BYTE_SENDER, BYTE_TODO, BYTE_MARK, BYTE_OTHER };

enum envelope_state { AT_SENDER, IN_SENDER, AT_FIRST, AT_RECIPIENT, IN_RECIPIENT, STATES };

enum step {
    STEP_BAD,
    STEP_NEXT,      /* a letter that begins an address */
    STEP_OCTET,     /* a byte of an address */
    STEP_SENDER,    /* the end of the sender */
    STEP_RECIPIENT, /* the end of a recipient */
    STEP_COMPLETE   /* the closing NUL */
};

/* A recipient is never empty and never without its letter; the first NUL after one closes. */
static enum step const steps[STATES][BYTE_OTHER + 1] = {
    [AT_SENDER] = {[BYTE_SENDER] = STEP_NEXT},
    [IN_SENDER] = {[BYTE_NUL] = STEP_SENDER,
                   [BYTE_SENDER] = STEP_OCTET,
                   [BYTE_TODO] = STEP_OCTET,
                   [BYTE_MARK] = STEP_OCTET,
                   [BYTE_OTHER] = STEP_OCTET},
    [AT_FIRST] = {[BYTE_TODO] = STEP_NEXT, [BYTE_MARK] = STEP_NEXT},
    [AT_RECIPIENT] = {[BYTE_NUL] = STEP_COMPLETE, [BYTE_TODO] = STEP_NEXT, [BYTE_MARK] = STEP_NEXT},
    [IN_RECIPIENT] = {[BYTE_NUL] = STEP_RECIPIENT,
                      [BYTE_SENDER] = STEP_OCTET,
                      [BYTE_TODO] = STEP_OCTET,
                      [BYTE_MARK] = STEP_OCTET,
                      [BYTE_OTHER] = STEP_OCTET},
};

static enum byte_class classify(unsigned char c)
{
    switch (c) {
    case 0:
        return BYTE_NUL;
    case 'F':
        return BYTE_SENDER;
    case ENVELOPE_TODO:
        return BYTE_TODO;
    case ENVELOPE_DONE:
    case ENVELOPE_FAILED:
        return BYTE_MARK;
    default:
        return c < 0x20 || c == 0x7f ? BYTE_CONTROL : BYTE_OTHER;
    }
}

void envelope_start(struct envelope_parser *parser, bool marks)
{
    *parser = (struct envelope_parser){.marks = marks, .state = AT_SENDER};
}

static enum envelope_result parse_byte(struct envelope_parser *parser, unsigned char c)
{
    enum byte_class const class = classify(c);
    switch (steps[parser->state][class]) {
    case STEP_NEXT:
        if (class == BYTE_MARK && !parser->marks)
            return ENVELOPE_FORMAT;
        parser->state = parser->state == AT_SENDER ? IN_SENDER : IN_RECIPIENT;
        parser->address_length = 0;
        return ENVELOPE_MORE;
    case STEP_OCTET:
        return ++parser->address_length > ENVELOPE_ADDRESS_MAX ? ENVELOPE_TOO_LONG : ENVELOPE_MORE;
    case STEP_SENDER:
        parser->state = AT_FIRST;
        return ENVELOPE_MORE;
    case STEP_RECIPIENT:
        if (!parser->address_length)
            return ENVELOPE_FORMAT;
        parser->state = AT_RECIPIENT;
        return ++parser->recipients > ENVELOPE_RECIPIENTS_MAX ? ENVELOPE_TOO_LONG : ENVELOPE_MORE;
    case STEP_COMPLETE:
        return ENVELOPE_COMPLETE;
    case STEP_BAD:
        break;
    }
    return ENVELOPE_FORMAT;
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
