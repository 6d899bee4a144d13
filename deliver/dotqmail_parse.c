#include "deliver/dotqmail_parse.h"

#include <string.h>

#include "deliver/job.h"

void dotqmail_parse_start(struct dotqmail_parser *parser, char *bytes, size_t length,
                          bool forward_only)
{
    *parser = (struct dotqmail_parser){
        .next = bytes, .end = bytes + length, .line = 0, .forward_only = forward_only};
}

static bool is_control(char byte)
{
    return (unsigned char)byte < 0x20 || byte == 0x7f;
}

/* A control character in a path or an address cannot be meant, nor can a CR at the end of a
 * command: the file came from another system. Any other belongs to the shell. */
static bool has_stray_control(char const *text, enum dotqmail_kind kind)
{
    size_t const length = strlen(text);
    if (kind == DOTQMAIL_PROGRAM)
        return length && text[length - 1] == '\r';
    for (size_t i = 0; i < length; i++)
        if (is_control(text[i]))
            return true;
    return false;
}

/* As in dot-qmail(5): an address without names, angle brackets, comments and blanks. */
static bool is_address(char const *text)
{
    size_t const length = strlen(text);
    return length && length <= JOB_ADDRESS_MAX && !strpbrk(text, " <>()");
}

static enum dotqmail_parse check(struct dotqmail_parser const *parser,
                                 struct dotqmail_instruction const *instruction)
{
    if (has_stray_control(instruction->text, instruction->kind))
        return DOTQMAIL_CONTROL;
    switch (instruction->kind) {
    case DOTQMAIL_PROGRAM:
        return parser->forward_only ? DOTQMAIL_PROGRAM_IN_LIST : DOTQMAIL_INSTRUCTION;
    case DOTQMAIL_FORWARD:
        return is_address(instruction->text) ? DOTQMAIL_INSTRUCTION : DOTQMAIL_NO_ADDRESS;
    case DOTQMAIL_MBOX:
    case DOTQMAIL_MAILDIR:
        break;
    }
    return parser->forward_only ? DOTQMAIL_FILE_IN_LIST : DOTQMAIL_INSTRUCTION;
}

/* Takes the next line out, NUL-terminated and without the blanks at its end. */
static char *take_line(struct dotqmail_parser *parser, size_t *length)
{
    char *const line = parser->next;
    size_t const left = (size_t)(parser->end - line);
    char *const newline = memchr(line, '\n', left);
    size_t used = newline ? (size_t)(newline - line) : left;
    parser->next = newline ? newline + 1 : parser->end;
    parser->line++;
    while (used && (line[used - 1] == ' ' || line[used - 1] == '\t'))
        used--;
    line[used] = 0; /* at worst the room for one byte behind the last */
    *length = used;
    return line;
}

enum dotqmail_parse dotqmail_parse_next(struct dotqmail_parser *parser,
                                        struct dotqmail_instruction *instruction)
{
    while (parser->next < parser->end) {
        size_t length;
        char const *const line = take_line(parser, &length);
        if (memchr(line, 0, length))
            return DOTQMAIL_NUL;
        switch (line[0]) {
        case 0:
            if (parser->line == 1)
                return DOTQMAIL_FIRST_BLANK;
            break;
        case '#':
            break;
        case '+':
            if (!strcmp(line, "+list"))
                parser->forward_only = true;
            break;
        case '.':
        case '/':
            *instruction = (struct dotqmail_instruction){
                line[length - 1] == '/' ? DOTQMAIL_MAILDIR : DOTQMAIL_MBOX, line};
            return check(parser, instruction);
        case '|':
            *instruction = (struct dotqmail_instruction){DOTQMAIL_PROGRAM, line + 1};
            return check(parser, instruction);
        default:
            *instruction = (struct dotqmail_instruction){DOTQMAIL_FORWARD, line + (line[0] == '&')};
            return check(parser, instruction);
        }
    }
    return DOTQMAIL_END;
}

char const *dotqmail_parse_explain(enum dotqmail_parse fault)
{
    switch (fault) {
    case DOTQMAIL_NUL:
        return "has a NUL byte, so this is no text";
    case DOTQMAIL_FIRST_BLANK:
        return "is blank; begin with an instruction or a comment";
    case DOTQMAIL_CONTROL:
        return "has a control character (perhaps a CR at its end)";
    case DOTQMAIL_NO_ADDRESS:
        return "is no plain address such as user@host.example";
    case DOTQMAIL_FILE_IN_LIST:
        return "delivers to a file, but the file has its x bit or +list";
    case DOTQMAIL_PROGRAM_IN_LIST:
        return "runs a program, but the file has its x bit or +list";
    case DOTQMAIL_INSTRUCTION:
    case DOTQMAIL_END:
        break;
    }
    return "is fine";
}
