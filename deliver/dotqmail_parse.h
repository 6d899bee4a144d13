/* The lines of a .qmail file, as in dot-qmail(5): the one place where its bytes are parsed.
 *
 *   # comment    | command    & address or address    / path or . path: an mbox, or a Maildir when
 * it ends in a slash    + list: from here on no files and no programs Blanks at the end of a line
 * do not count, nor do empty lines after the first and lines that begin with any other `+`. */
#ifndef EKIDEN_DOTQMAIL_PARSE_H
#define EKIDEN_DOTQMAIL_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#define DOTQMAIL_SIZE_MAX (64u << 10) /* bytes of a file; a larger one is not read */

enum dotqmail_kind { DOTQMAIL_PROGRAM, DOTQMAIL_FORWARD, DOTQMAIL_MBOX, DOTQMAIL_MAILDIR };

struct dotqmail_instruction {
    enum dotqmail_kind kind;
    char const *text; /* the command, address or path: NUL-terminated, into the parser's bytes */
};

struct dotqmail_parser {
    char *next, *end;
    unsigned int line; /* of the instruction or the fault; from 1 */
    bool forward_only; /* the file has its x bit, or `+list` was met */
};

enum dotqmail_parse {
    DOTQMAIL_INSTRUCTION,
    DOTQMAIL_END,
    /* What stands in the file cannot be meant; dotqmail_parse_explain says why. */
    DOTQMAIL_NUL,
    DOTQMAIL_FIRST_BLANK,
    DOTQMAIL_CONTROL,
    DOTQMAIL_NO_ADDRESS,
    DOTQMAIL_FILE_IN_LIST,
    DOTQMAIL_PROGRAM_IN_LIST
};

/* Starts with LENGTH bytes and room for one more behind them. They are the caller's, and changed:
 * each line gets its NUL. FORWARD_ONLY: the file's x bit. */
void dotqmail_parse_start(struct dotqmail_parser *parser, char *bytes, size_t length,
                          bool forward_only);

/* The next instruction. After END or a fault the parser must not be used any more. */
enum dotqmail_parse dotqmail_parse_next(struct dotqmail_parser *parser,
                                        struct dotqmail_instruction *instruction);

/* What is wrong, in words that follow "line 3: ". */
char const *dotqmail_parse_explain(enum dotqmail_parse fault);

#endif
