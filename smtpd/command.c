#include "smtpd/command.h"

#include <string.h>

#include <skalibs/bytestr.h>

#define LINE_MAX_BASE 512 /* RFC 5321 4.5.3.1.4, with CRLF */
#define LINE_MAX_MAIL                                                                              \
    (512 + 26 + 17 + 10 + 500)    /* SIZE (RFC 1870 3), BODY (6152 2), SMTPUTF8 (6531 3.1), AUTH   \
                                     (4954 5) */
#define LINE_MAX_AUTH  12288      /* RFC 4954 4 */
#define LINE_MAX_UTF8  (512 + 10) /* 6531 3.1: RCPT, VRFY and EXPN too */
#define SIZE_DIGITS    20         /* RFC 1870 3 */
#define AUTH_VALUE_MAX 494        /* octets: its 500 without ` AUTH=` */

/* A verb's row. `bare`: takes no argument. `idle`: brings a message no nearer. */
struct verb {
    char const *word;
    enum command_name name;
    size_t line_max;
    bool bare, idle;
};

static struct verb const verbs[] = {
    {"MAIL", COMMAND_MAIL, LINE_MAX_MAIL, .bare = false, .idle = false},
    {"RCPT", COMMAND_RCPT, LINE_MAX_UTF8, .bare = false, .idle = false},
    {"DATA", COMMAND_DATA, LINE_MAX_BASE, .bare = true, .idle = false},
    {"EHLO", COMMAND_EHLO, LINE_MAX_BASE, .bare = false, .idle = true},
    {"HELO", COMMAND_HELO, LINE_MAX_BASE, .bare = false, .idle = true},
    {"QUIT", COMMAND_QUIT, LINE_MAX_BASE, .bare = true, .idle = false},
    {"RSET", COMMAND_RSET, LINE_MAX_BASE, .bare = true, .idle = true},
    {"NOOP", COMMAND_NOOP, LINE_MAX_BASE, .bare = false, .idle = true},
    {"VRFY", COMMAND_VRFY, LINE_MAX_UTF8, .bare = false, .idle = true},
    {"EXPN", COMMAND_EXPN, LINE_MAX_UTF8, .bare = false, .idle = true},
    {"HELP", COMMAND_HELP, LINE_MAX_BASE, .bare = false, .idle = true},
    {"BDAT", COMMAND_BDAT, LINE_MAX_BASE, .bare = false, .idle = false},
    /* Of RFCs and of history; known, so that a client learns more than "unknown". */
    {"STARTTLS", COMMAND_STARTTLS, LINE_MAX_BASE, .bare = true, .idle = false},
    {"AUTH", COMMAND_AUTH, LINE_MAX_AUTH, .bare = false, .idle = false},
    {"ETRN", COMMAND_OFF, LINE_MAX_BASE, .bare = false, .idle = false},
    {"ATRN", COMMAND_OFF, LINE_MAX_BASE, .bare = false, .idle = false},
    {"TURN", COMMAND_OFF, LINE_MAX_BASE, .bare = false, .idle = false},
    {"SEND", COMMAND_OFF, LINE_MAX_BASE, .bare = false, .idle = false},
    {"SOML", COMMAND_OFF, LINE_MAX_BASE, .bare = false, .idle = false},
    {"SAML", COMMAND_OFF, LINE_MAX_BASE, .bare = false, .idle = false},
    {"BURL", COMMAND_OFF, LINE_MAX_BASE, .bare = false, .idle = false},
    /* A web client or a port scanner was led here, perhaps with our own lines in its body. */
    {"GET", COMMAND_FOREIGN, LINE_MAX_BASE, .bare = false, .idle = false},
    {"POST", COMMAND_FOREIGN, LINE_MAX_BASE, .bare = false, .idle = false},
    {"PUT", COMMAND_FOREIGN, LINE_MAX_BASE, .bare = false, .idle = false},
    {"HEAD", COMMAND_FOREIGN, LINE_MAX_BASE, .bare = false, .idle = false},
    {"OPTIONS", COMMAND_FOREIGN, LINE_MAX_BASE, .bare = false, .idle = false},
    {"CONNECT", COMMAND_FOREIGN, LINE_MAX_BASE, .bare = false, .idle = false},
    {"SSH-2.0-", COMMAND_FOREIGN, LINE_MAX_BASE, .bare = false, .idle = false}};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The row of the word that LINE begins with; a word ends at a blank or at the end. */
static struct verb const *find_verb(char const *line, size_t length)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        size_t size = strlen(verbs[i].word);
        if (length < size || !case_equalb(line, size, verbs[i].word))
            continue;
        if (length == size || is_blank(line[size]) || line[size - 1] == '-')
            return &verbs[i];
    }
    return 0;
}

size_t command_limit(char const *line, size_t length)
{
    struct verb const *verb = find_verb(line, length);
    return verb ? verb->line_max : LINE_MAX_BASE;
}

void command_parse(struct command *command, char const *line, size_t length)
{
    struct verb const *verb = find_verb(line, length);
    size_t start = verb ? strlen(verb->word) : 0;
    while (start < length && is_blank(line[start]))
        start++;
    while (length > start && is_blank(line[length - 1]))
        length--;
    command->name = verb ? verb->name : COMMAND_UNKNOWN;
    command->argument = line + start;
    command->length = length - start;
    command->excess = verb && verb->bare && command->length > 0;
    command->idle = verb && verb->idle;
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

static struct {
    char const *keyword;
    enum command_result (*set)(struct command_mail *, struct parameter const *);
} const mail_parameters[] = {
    {"SIZE", set_size}, {"BODY", set_body}, {"SMTPUTF8", set_smtputf8}, {"AUTH", set_auth}};

#define MAIL_PARAMETERS (sizeof mail_parameters / sizeof *mail_parameters)

static enum command_result set_mail_parameter(struct command_mail *mail,
                                              struct parameter const *parameter,
                                              bool seen[static MAIL_PARAMETERS])
{
    for (size_t i = 0; i < MAIL_PARAMETERS; i++) {
        if (!equals(parameter->keyword, parameter->keyword_length, mail_parameters[i].keyword))
            continue;
        if (seen[i])
            return COMMAND_PARAMETER_TWICE;
        seen[i] = true;
        return mail_parameters[i].set(mail, parameter);
    }
    return COMMAND_PARAMETER_UNKNOWN;
}

enum command_result command_parse_mail(struct command_mail *mail, char const *argument,
                                       size_t length, bool extended)
{
    bool seen[MAIL_PARAMETERS] = {false};
    size_t rest;
    mail->size = 0;
    mail->body_8bit = mail->smtputf8 = mail->auth = false;

    /* SMTPUTF8 comes after the path that it is about: so non-ASCII is allowed at first. */
    enum command_result result = parse_path(&mail->sender, "FROM:", argument, length, true, &rest);
    if (result != COMMAND_OK)
        return result;
    argument += rest;
    length -= rest;
    for (;;) {
        struct parameter parameter;
        result = next_parameter(&parameter, &argument, &length);
        if (result != COMMAND_OK)
            return result;
        if (parameter.keyword_length == 0)
            break;
        if (!extended)
            return COMMAND_PARAMETER_UNKNOWN;
        result = set_mail_parameter(mail, &parameter, seen);
        if (result != COMMAND_OK)
            return result;
    }
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

enum command_result command_parse_rcpt(struct address *recipient, char const *argument,
                                       size_t length, bool extended, bool smtputf8)
{
    struct parameter parameter;
    size_t rest;
    enum command_result result =
        parse_path(recipient, "TO:", argument, length, extended && smtputf8, &rest);
    if (result != COMMAND_OK)
        return result;
    argument += rest;
    length -= rest;
    result = next_parameter(&parameter, &argument, &length);
    if (result != COMMAND_OK)
        return result;
    return parameter.keyword_length == 0 ? COMMAND_OK : COMMAND_PARAMETER_UNKNOWN;
}
