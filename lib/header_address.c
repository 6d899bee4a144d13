#include "lib/header_address.h"

#include <string.h>

#include "lib/utf8.h"

/* What a byte begins outside of quotes and comments (RFC 5322 3.2). */
enum class {
    NONE,    /* no address holds it: control characters */
    BLANK,   /* blanks and line ends */
    ATOM,    /* part of an atom; bytes from 0x80 up: UTF-8 decides whether of an address */
    SPECIAL, /* a token by itself */
    QUOTE,
    COMMENT,
    LITERAL
};

static unsigned char const class_of[256] = {
    ['\t'] = BLANK,       ['\n'] = BLANK,       ['\r'] = BLANK,         [' '] = BLANK,
    ['!'] = ATOM,         ['"'] = QUOTE,        ['#' ... '\''] = ATOM,  ['('] = COMMENT,
    ['*' ... '+'] = ATOM, [','] = SPECIAL,      ['-'] = ATOM,           ['.'] = SPECIAL,
    ['/'] = ATOM,         ['0' ... '9'] = ATOM, [':'] = SPECIAL,        [';'] = SPECIAL,
    ['<'] = SPECIAL,      ['='] = ATOM,         ['>'] = SPECIAL,        ['?'] = ATOM,
    ['@'] = SPECIAL,      ['A' ... 'Z'] = ATOM, ['['] = LITERAL,        ['^' ... '`'] = ATOM,
    ['a' ... 'z'] = ATOM, ['{' ... '~'] = ATOM, [0x80 ... 0xff] = ATOM,
};

/* A token: its kind is a special character, or one of these. */
enum kind { KIND_END = 0, KIND_ATOM = 'a', KIND_QUOTED = '"', KIND_LITERAL = '[', KIND_BAD = '!' };

struct token {
    int kind;
    size_t start, end; /* in the text; a quoted string's and a literal's with their signs */
};

/* What was read of an address so far. */
struct reader {
    struct header_address_list *list;
    struct header_address *address;
    struct token token;
    bool too_long, malformed; /* only an error if this turns out to be an address */
    bool adjacent;            /* the last token of the part was a word: two make no local part */
};

void header_address_start(struct header_address_list *list, char const *text, size_t length)
{
    list->text = text;
    list->length = length;
    list->position = 0;
    list->in_group = false;
}

/* Skips over what begins with OPEN at the position, to its CLOSE, which may nest. False: no end. */
static bool skip_enclosed(struct header_address_list *list, char open, char close)
{
    size_t depth = 1;
    bool const nests = open == '(';
    for (list->position++; list->position < list->length; list->position++) {
        char const byte = list->text[list->position];
        if (byte == '\\')
            list->position++;
        else if (byte == close && --depth == 0) {
            list->position++;
            return true;
        } else if (nests && byte == open)
            depth++;
    }
    list->position = list->length;
    return false;
}

static enum class class_at(struct header_address_list const *list) {
    return (enum class)class_of[(unsigned char)list->text[list->position]];
}

/* Reads the token behind blanks and comments. */
static void next_token(struct reader *reader)
{
    struct header_address_list *const list = reader->list;
    struct token *const token = &reader->token;
    bool whole = true;
    while (whole && list->position < list->length &&
           (class_at(list) == BLANK || class_at(list) == COMMENT))
        if (class_at(list) == BLANK)
            list->position++;
        else
            whole = skip_enclosed(list, '(', ')');
    token->start = token->end = list->position;
    token->kind = whole ? KIND_END : KIND_BAD;
    if (!whole || list->position == list->length)
        return;
    switch (class_at(list)) {
    case ATOM:
        token->kind = KIND_ATOM;
        while (list->position < list->length && class_at(list) == ATOM)
            list->position++;
        break;
    case QUOTE:
        token->kind = skip_enclosed(list, '"', '"') ? KIND_QUOTED : KIND_BAD;
        break;
    case LITERAL:
        token->kind = skip_enclosed(list, '[', ']') ? KIND_LITERAL : KIND_BAD;
        break;
    case SPECIAL:
        token->kind = list->text[list->position++];
        break;
    default:
        token->kind = KIND_BAD;
    }
    token->end = list->position;
}

static void append(struct reader *reader, char byte)
{
    struct header_address *const address = reader->address;
    if (address->length == HEADER_ADDRESS_MAX)
        reader->too_long = true;
    else
        address->bytes[address->length++] = byte;
}

/* Appends the word from START to END, as it is meant: a line end in it does not count. */
static void append_word(struct reader *reader, size_t start, size_t end, bool quoted)
{
    char const *const text = reader->list->text;
    for (size_t i = start; i < end;) {
        size_t size = 1;
        if (quoted && (text[i] == '\r' || text[i] == '\n')) {
            i++;
            continue;
        }
        if (quoted && text[i] == '\\' && i + 1 < end)
            i++;
        if ((unsigned char)text[i] >= 0x80) {
            size = utf8_next(text + i, end - i);
            reader->address->utf8 = true;
        }
        if (!size || (unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            reader->malformed = true;
            return;
        }
        for (; size; size--)
            append(reader, text[i++]);
    }
}

/* Adds the token, a word or a dot, to the part of the address at hand. */
static void add_token(struct reader *reader)
{
    struct token const *const token = &reader->token;
    bool const word = token->kind != '.';
    if (word && reader->adjacent)
        reader->malformed = true;
    reader->adjacent = word;
    if (token->kind == KIND_QUOTED)
        append_word(reader, token->start + 1, token->end - 1, true);
    else
        append_word(reader, token->start, token->end, false);
    reader->address->end = token->end;
    if (!reader->address->has_domain)
        reader->address->domain = token->end;
}

static bool is_word(struct reader const *reader)
{
    int const kind = reader->token.kind;
    return kind == KIND_ATOM || kind == KIND_QUOTED || kind == '.';
}

static void clear(struct reader *reader)
{
    struct header_address *const address = reader->address;
    address->length = address->local_length = 0;
    address->has_domain = address->literal = address->utf8 = false;
    address->domain = address->end = reader->token.start;
    reader->too_long = reader->malformed = reader->adjacent = false;
}

/* Words and dots: a local part, or a phrase. */
static void read_words(struct reader *reader)
{
    for (; is_word(reader); next_token(reader))
        add_token(reader);
    reader->address->local_length = reader->address->length;
}

/* The `@` and what follows it. */
static void read_domain(struct reader *reader)
{
    struct header_address *const address = reader->address;
    append(reader, '@');
    address->has_domain = true;
    reader->adjacent = false;
    next_token(reader);
    size_t const before = address->length;
    address->domain = reader->token.start;
    if (reader->token.kind == KIND_LITERAL) {
        address->literal = true;
        add_token(reader);
        next_token(reader);
    } else {
        for (; is_word(reader) && reader->token.kind != KIND_QUOTED; next_token(reader))
            add_token(reader);
    }
    if (address->length == before || !address->local_length)
        reader->malformed = true;
}

/* `@a,@b:` in front of an address in angle brackets: obsolete, and without meaning. */
static bool skip_route(struct reader *reader)
{
    if (reader->token.kind != '@' && reader->token.kind != ',')
        return true;
    while (reader->token.kind == '@' || reader->token.kind == ',' || is_word(reader) ||
           reader->token.kind == KIND_LITERAL)
        next_token(reader);
    if (reader->token.kind != ':')
        return false;
    next_token(reader);
    return true;
}

/* What stands in angle brackets, and the `>`. */
static bool read_angle(struct reader *reader)
{
    next_token(reader);
    if (!skip_route(reader))
        return false;
    clear(reader);
    read_words(reader);
    if (reader->token.kind == '@')
        read_domain(reader);
    if (reader->token.kind != '>')
        return false;
    next_token(reader);
    return true;
}

static enum header_address_result finish(struct reader const *reader)
{
    struct header_address *const address = reader->address;
    address->bytes[address->length] = 0;
    if (reader->malformed)
        return HEADER_ADDRESS_SYNTAX;
    return reader->too_long ? HEADER_ADDRESS_TOO_LONG : HEADER_ADDRESS_ONE;
}

/* True when the token ends an element of a list; it is consumed. */
static bool ends_element(struct reader *reader)
{
    int const kind = reader->token.kind;
    if (kind == ';')
        reader->list->in_group = false;
    return kind == ',' || kind == ';' || kind == KIND_END;
}

enum header_address_result header_address_next(struct header_address_list *list,
                                               struct header_address *address)
{
    struct reader reader = {.list = list, .address = address};
    for (;;) {
        next_token(&reader);
        clear(&reader);
        bool const empty = !is_word(&reader);
        read_words(&reader);
        bool found = !empty;
        if (reader.token.kind == '@') {
            read_domain(&reader);
            found = true;
        }
        if (reader.token.kind == '<') {
            if (!read_angle(&reader))
                return HEADER_ADDRESS_SYNTAX;
            found = true;
        } else if (reader.token.kind == ':' && !list->in_group && !empty && !address->has_domain) {
            list->in_group = true;
            continue;
        }
        int const kind = reader.token.kind;
        if (!ends_element(&reader))
            return HEADER_ADDRESS_SYNTAX;
        if (found)
            return finish(&reader);
        if (kind == KIND_END)
            return HEADER_ADDRESS_END;
    }
}
