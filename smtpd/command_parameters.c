#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/utf8.h"
#include "smtpd/command.h"

#define SIZE_DIGITS    20  /* RFC 1870 3 */
#define AUTH_VALUE_MAX 494 /* octets: its 500 without ` AUTH=` */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static enum command_result from_address(enum address_result result)
{
    static enum command_result const results[] = {
        [ADDRESS_OK] = COMMAND_OK,
        [ADDRESS_SYNTAX] = COMMAND_ADDRESS_SYNTAX,
        [ADDRESS_TOO_LONG] = COMMAND_ADDRESS_TOO_LONG,
        [ADDRESS_UTF8] = COMMAND_ADDRESS_UTF8,
    };
    return results[result];
}

/* `WORD:<path>`; *rest is where the parameters begin. */
static enum command_result parse_path(struct address *address, char const *word,
                                      char const *argument, size_t length, bool utf8, size_t *rest)
{
    size_t start = strlen(word), consumed;
    if (length < start || !case_equalb(argument, start, word))
        return COMMAND_SYNTAX;
    while (start < length && is_blank(argument[start]))
        start++;
    if (start == length || argument[start] != '<')
        return COMMAND_SYNTAX;
    enum address_result result =
        address_parse_path(address, argument + start, length - start, utf8, &consumed);
    if (result != ADDRESS_OK)
        return from_address(result);
    *rest = start + consumed;
    if (*rest < length && argument[*rest] != ' ')
        return COMMAND_ADDRESS_SYNTAX; /* `<a@b>c`, `<a@b>>` */
    return COMMAND_OK;
}

/* esmtp-param: keyword, and a value after `=` where there is one (value is 0 without). */
struct parameter {
    char const *keyword, *value;
    size_t keyword_length, value_length;
};

static bool is_keyword_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-';
}

/* Takes the next parameter off the text. OK with keyword_length 0 at the end. */
static enum command_result next_parameter(struct parameter *parameter, char const **text,
                                          size_t *length)
{
    char const *here = *text, *end = *text + *length;
    while (here < end && *here == ' ')
        here++;
    *parameter = (struct parameter){.keyword = here};
    while (here < end && is_keyword_byte(*here))
        here++;
    parameter->keyword_length = (size_t)(here - parameter->keyword);
    if (parameter->keyword_length == 0 ? here < end : parameter->keyword[0] == '-')
        return COMMAND_PARAMETER_SYNTAX;
    if (here < end && *here == '=') {
        parameter->value = ++here;
        while (here < end && *here != ' ') {
            if ((unsigned char)*here < 0x21 || *here == '=' || *here == 0x7f)
                return COMMAND_PARAMETER_SYNTAX;
            here++;
        }
        parameter->value_length = (size_t)(here - parameter->value);
        if (parameter->value_length == 0)
            return COMMAND_PARAMETER_SYNTAX;
    }
    if (here < end && *here != ' ')
        return COMMAND_PARAMETER_SYNTAX;
    *length = (size_t)(end - here);
    *text = here;
    return COMMAND_OK;
}

static bool equals(char const *bytes, size_t length, char const *word)
{
    return length == strlen(word) && case_equalb(bytes, length, word);
}

/* A number of octets of 1 to SIZE_DIGITS digits; UINT64_MAX where it is larger. */
static bool parse_size(uint64_t *size, char const *digits, size_t length)
{
    *size = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned int digit = (unsigned int)(unsigned char)digits[i] - '0';
        if (digit > 9)
            return false;
        *size = *size > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *size * 10 + digit;
    }
    return length > 0 && length <= SIZE_DIGITS;
}

static enum command_result set_size(struct command_mail *mail, struct parameter const *parameter)
{
    return parameter->value && parse_size(&mail->size, parameter->value, parameter->value_length)
               ? COMMAND_OK
               : COMMAND_SIZE_SYNTAX;
}

static enum command_result set_body(struct command_mail *mail, struct parameter const *parameter)
{
    mail->body_8bit = equals(parameter->value, parameter->value_length, "8BITMIME");
    if (mail->body_8bit || equals(parameter->value, parameter->value_length, "7BIT"))
        return COMMAND_OK;
    return COMMAND_BODY_UNKNOWN;
}

static enum command_result set_smtputf8(struct command_mail *mail,
                                        struct parameter const *parameter)
{
    mail->smtputf8 = true;
    return parameter->value ? COMMAND_PARAMETER_SYNTAX : COMMAND_OK;
}

/* Two hexadecimal digits, of which xtext allows the upper case only (RFC 3461 4). -1: they are not.
 */
static int hexadecimal(char const *digits)
{
    static char const alphabet[] = "0123456789ABCDEF";
    char const *const high = digits[0] ? strchr(alphabet, digits[0]) : 0;
    char const *const low = digits[1] ? strchr(alphabet, digits[1]) : 0;
    return high && low ? (int)((high - alphabet) << 4 | (low - alphabet)) : -1;
}

/* RFC 4954 5: `<>` or a mailbox, in xtext. It is decoded to be checked, and then forgotten: whoever
 * may send here has logged in, and we vouch for nobody to others. */
static enum command_result set_auth(struct command_mail *mail, struct parameter const *parameter)
{
    char path[AUTH_VALUE_MAX + 2] = "<";
    size_t length = 1, consumed;
    struct address address;
    if (!parameter->value || parameter->value_length > AUTH_VALUE_MAX)
        return COMMAND_AUTH_SYNTAX;
    for (size_t i = 0; i < parameter->value_length; i++) {
        int byte = (unsigned char)parameter->value[i];
        if (byte == '+') {
            byte = parameter->value_length - i > 2 ? hexadecimal(parameter->value + i + 1) : -1;
            i += 2;
        }
        if (byte < 0x20 || byte > 0x7e)
            return COMMAND_AUTH_SYNTAX;
        path[length++] = (char)byte;
    }
    path[length++] = '>';
    mail->auth = true;
    if (length == 4 && !memcmp(path, "<<>>", 4))
        return COMMAND_OK;
    return path[1] != '@' && /* a source route */
                   address_parse_path(&address, path, length, false, &consumed) == ADDRESS_OK &&
                   consumed == length && address.domain != ADDRESS_DOMAIN_NONE
               ? COMMAND_OK
               : COMMAND_AUTH_SYNTAX;
}

static enum command_result set_return(struct command_mail *mail, struct parameter const *parameter)
{
    mail->dsn = true;
    if (equals(parameter->value, parameter->value_length, "FULL"))
        mail->return_wish = DSN_RETURN_FULL;
    else if (equals(parameter->value, parameter->value_length, "HDRS"))
        mail->return_wish = DSN_RETURN_HEADERS;
    else
        return COMMAND_RET_UNKNOWN;
    return COMMAND_OK;
}

static enum command_result set_envid(struct command_mail *mail, struct parameter const *parameter)
{
    mail->dsn = true;
    mail->envid = parameter->value;
    mail->envid_length = parameter->value_length;
    return dsn_is_envid(mail->envid, mail->envid_length) ? COMMAND_OK : COMMAND_ENVID_SYNTAX;
}

static enum command_result set_notify(struct command_rcpt *rcpt, struct parameter const *parameter)
{
    rcpt->dsn = true;
    if (parameter->value)
        rcpt->notify = dsn_parse_notify(parameter->value, parameter->value_length);
    return rcpt->notify ? COMMAND_OK : COMMAND_NOTIFY_UNKNOWN;
}

/* ASCII, or where it is allowed valid UTF-8. */
static bool is_text(char const *text, size_t length, bool utf8)
{
    for (size_t i = 0, size; i < length; i += size) {
        size = utf8_next(text + i, length - i);
        if (size == 0 || (size > 1 && !utf8))
            return false;
    }
    return true;
}

static enum command_result set_orcpt(struct command_rcpt *rcpt, struct parameter const *parameter)
{
    rcpt->dsn = true;
    rcpt->orcpt = parameter->value;
    rcpt->orcpt_length = parameter->value_length;
    return dsn_is_orcpt(rcpt->orcpt, rcpt->orcpt_length) &&
                   is_text(rcpt->orcpt, rcpt->orcpt_length, rcpt->smtputf8)
               ? COMMAND_OK
               : COMMAND_ORCPT_SYNTAX;
}

/* What a command's parameters are set in, and the functions that do it: either of the two. */
struct parameter_row {
    char const *keyword;
    enum command_result (*set_mail)(struct command_mail *, struct parameter const *);
    enum command_result (*set_rcpt)(struct command_rcpt *, struct parameter const *);
};

#define PARAMETERS_MAX 8

static struct parameter_row const mail_parameters[PARAMETERS_MAX] = {
    {"SIZE", set_size, 0}, {"BODY", set_body, 0},  {"SMTPUTF8", set_smtputf8, 0},
    {"AUTH", set_auth, 0}, {"RET", set_return, 0}, {"ENVID", set_envid, 0}};

static struct parameter_row const rcpt_parameters[PARAMETERS_MAX] = {{"NOTIFY", 0, set_notify},
                                                                     {"ORCPT", 0, set_orcpt}};

/* One of MAIL and RCPT is 0. */
static enum command_result set_parameters(struct command_mail *mail, struct command_rcpt *rcpt,
                                          char const *text, size_t length, bool extended)
{
    struct parameter_row const *const rows = mail ? mail_parameters : rcpt_parameters;
    bool seen[PARAMETERS_MAX] = {false};
    for (;;) {
        struct parameter parameter;
        size_t i = 0;
        enum command_result result = next_parameter(&parameter, &text, &length);
        if (result != COMMAND_OK || parameter.keyword_length == 0)
            return result;
        while (i < PARAMETERS_MAX && rows[i].keyword &&
               !equals(parameter.keyword, parameter.keyword_length, rows[i].keyword))
            i++;
        if (!extended || i == PARAMETERS_MAX || !rows[i].keyword)
            return COMMAND_PARAMETER_UNKNOWN;
        if (seen[i])
            return COMMAND_PARAMETER_TWICE;
        seen[i] = true;
        result = mail ? rows[i].set_mail(mail, &parameter) : rows[i].set_rcpt(rcpt, &parameter);
        if (result != COMMAND_OK)
            return result;
    }
}

enum command_result command_parse_mail(struct command_mail *mail, char const *argument,
                                       size_t length, bool extended)
{
    size_t rest;
    mail->size = 0;
    mail->body_8bit = mail->smtputf8 = mail->auth = mail->dsn = false;
    mail->return_wish = DSN_RETURN_UNSET;
    mail->envid = 0;
    mail->envid_length = 0;

    /* SMTPUTF8 comes after the path that it is about: so non-ASCII is allowed at first. */
    enum command_result result = parse_path(&mail->sender, "FROM:", argument, length, true, &rest);
    if (result == COMMAND_OK)
        result = set_parameters(mail, 0, argument + rest, length - rest, extended);
    if (result != COMMAND_OK)
        return result;
    return mail->sender.utf8 && !mail->smtputf8 ? COMMAND_ADDRESS_UTF8 : COMMAND_OK;
}

enum command_result command_parse_bdat(struct command_chunk *chunk, char const *argument,
                                       size_t length)
{
    size_t digits = 0;
    while (digits < length && !is_blank(argument[digits]))
        digits++;
    if (!parse_size(&chunk->size, argument, digits) || chunk->size > INT64_MAX)
        return COMMAND_SYNTAX;
    chunk->last = digits < length;
    while (digits < length && is_blank(argument[digits]))
        digits++;
    return !chunk->last || equals(argument + digits, length - digits, "LAST") ? COMMAND_OK
                                                                              : COMMAND_SYNTAX;
}

enum command_result command_parse_rcpt(struct command_rcpt *rcpt, char const *argument,
                                       size_t length, bool extended, bool smtputf8)
{
    size_t rest;
    rcpt->smtputf8 = extended && smtputf8;
    rcpt->dsn = false;
    rcpt->notify = 0;
    rcpt->orcpt = 0;
    rcpt->orcpt_length = 0;
    enum command_result const result =
        parse_path(&rcpt->recipient, "TO:", argument, length, rcpt->smtputf8, &rest);
    return result == COMMAND_OK ? set_parameters(0, rcpt, argument + rest, length - rest, extended)
                                : result;
}
