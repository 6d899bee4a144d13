#include "smtpd/command.h"

#include <string.h>

#include <skalibs/bytestr.h>

#define LINE_MAX_BASE 512 /* RFC 5321 4.5.3.1.4, with CRLF */
#define LINE_MAX_MAIL                                                                              \
    (512 + 26 + 17 + 10 + 500 + 9 + 107) /* SIZE (RFC 1870 3), BODY (6152 2), SMTPUTF8 (6531 3.1), \
                                            AUTH (4954 5), RET and ENVID (3461 4) */
#define LINE_MAX_RCPT                                                                              \
    (512 + 10 + 29 + 507) /* SMTPUTF8 is longer in RCPT, VRFY and EXPN too; NOTIFY, ORCPT */
#define LINE_MAX_UTF8 (512 + 10)
#define LINE_MAX_AUTH 12288 /* RFC 4954 4 */

/* A verb's row. `bare`: takes no argument. `idle`: brings a message no nearer. */
struct verb {
    char const *word;
    enum command_name name;
    size_t line_max;
    bool bare, idle;
};

static struct verb const verbs[] = {
    {"MAIL", COMMAND_MAIL, LINE_MAX_MAIL, .bare = false, .idle = false},
    {"RCPT", COMMAND_RCPT, LINE_MAX_RCPT, .bare = false, .idle = false},
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
