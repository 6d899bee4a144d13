#include "spf/spf_lint.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "spf/spf_macro.h"
#include "spf/spf_macro_item.h"

#define VERSION        "v=spf1"
#define VERSION_LENGTH (sizeof VERSION - 1)

enum argument { ARGUMENT_NONE, ARGUMENT_DOMAIN, ARGUMENT_OPTIONAL, ARGUMENT_IP4, ARGUMENT_IP6 };

static struct {
    char const *name;
    enum spf_kind kind;
    enum argument argument;
    bool prefixes; /* dual-cidr-length may follow */
} const mechanisms[] = {
    {"all", SPF_KIND_ALL, ARGUMENT_NONE, false},
    {"include", SPF_KIND_INCLUDE, ARGUMENT_DOMAIN, false},
    {"a", SPF_KIND_A, ARGUMENT_OPTIONAL, true},
    {"mx", SPF_KIND_MX, ARGUMENT_OPTIONAL, true},
    {"ptr", SPF_KIND_PTR, ARGUMENT_OPTIONAL, false},
    {"ip4", SPF_KIND_IP4, ARGUMENT_IP4, false},
    {"ip6", SPF_KIND_IP6, ARGUMENT_IP6, false},
    {"exists", SPF_KIND_EXISTS, ARGUMENT_DOMAIN, false},
};
#define MECHANISMS (sizeof mechanisms / sizeof *mechanisms)

static char const *const texts[] = {
    [SPF_LINT_OK] = "well-formed",
    [SPF_LINT_CHARACTERS] = "a byte that is not printable ASCII",
    [SPF_LINT_MECHANISM] = "an unknown mechanism",
    [SPF_LINT_ARGUMENT] = "an argument is missing, or must not be there",
    [SPF_LINT_DOMAIN] = "not a domain",
    [SPF_LINT_ADDRESS] = "not an address",
    [SPF_LINT_PREFIX] = "a bad prefix length",
    [SPF_LINT_MODIFIER] = "a bad modifier",
    [SPF_LINT_TWICE] = "a modifier that stands there twice",
    [SPF_LINT_TOO_LONG] = "too long a record",
};

char const *spf_lint_text(enum spf_lint_result result)
{
    return texts[result];
}

bool spf_lint_is_record(char const *text, size_t length)
{
    return length >= VERSION_LENGTH && strncasecmp(text, VERSION, VERSION_LENGTH) == 0 &&
           (length == VERSION_LENGTH || text[VERSION_LENGTH] == ' ');
}

/* Reads a prefix length of LENGTH bytes: decimal, at most MAXIMUM, no leading zero. */
static bool take_number(uint8_t *prefix, char const *text, size_t length, unsigned int maximum)
{
    unsigned int number = 0;
    if (length == 0 || length > 3 || (*text == '0' && length > 1))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (unsigned int)(text[i] - '0');
    }
    *prefix = (uint8_t)number;
    return number <= maximum;
}

/* Where the digits begin in which TEXT ends, when a slash stands before them; else LENGTH. */
static size_t find_prefix(char const *text, size_t length)
{
    size_t start = length;
    while (start > 0 && text[start - 1] >= '0' && text[start - 1] <= '9')
        start--;
    return start > 0 && text[start - 1] == '/' ? start : length;
}

/* Takes dual-cidr-length off the end of *length bytes: `/4`, `//6`, `/4//6`. From the end, because
 * a domain-spec may have slashes in it. */
static bool take_prefixes(struct spf_term *term, char const *text, size_t *length)
{
    size_t start = find_prefix(text, *length);
    if (start < *length && start > 1 && text[start - 2] == '/') {
        if (!take_number(&term->prefix6, text + start, *length - start, 128))
            return false;
        *length = start - 2;
        start = find_prefix(text, *length);
    }
    if (start < *length) {
        if (!take_number(&term->prefix4, text + start, *length - start, 32))
            return false;
        *length = start - 1;
    }
    return true;
}

static enum spf_lint_result take_network(struct spf_term *term, char const *text, size_t length)
{
    bool const six = term->kind == SPF_KIND_IP6;
    char address[INET6_ADDRSTRLEN];
    char const *const slash = memchr(text, '/', length);
    size_t const address_length = slash ? (size_t)(slash - text) : length;
    if (slash && !take_number(six ? &term->prefix6 : &term->prefix4, slash + 1,
                              length - address_length - 1, six ? 128 : 32))
        return SPF_LINT_PREFIX;
    if (address_length >= sizeof address)
        return SPF_LINT_ADDRESS;
    memcpy(address, text, address_length);
    address[address_length] = 0;
    return inet_pton(six ? AF_INET6 : AF_INET, address, term->ip) == 1 ? SPF_LINT_OK
                                                                       : SPF_LINT_ADDRESS;
}

static struct spf_span span_of(struct spf_record const *record, char const *start, size_t length)
{
    return (struct spf_span){(uint16_t)(start - record->text), (uint16_t)length};
}

/* A domain-spec, as the argument of a mechanism or a modifier. */
static bool take_domain(struct spf_record const *record, struct spf_span *span, char const *text,
                        size_t length)
{
    *span = span_of(record, text, length);
    return length > 0 && spf_macro_is(text, length, SPF_FORM_DOMAIN);
}

/* What stands behind the name: from `:` or `/` on, or nothing. */
static enum spf_lint_result take_argument(struct spf_record const *record, struct spf_term *term,
                                          size_t number, char const *text, size_t length)
{
    enum argument const argument = mechanisms[number].argument;
    if (mechanisms[number].prefixes && !take_prefixes(term, text, &length))
        return SPF_LINT_PREFIX;
    if (length == 0)
        return argument == ARGUMENT_NONE || argument == ARGUMENT_OPTIONAL ? SPF_LINT_OK
                                                                          : SPF_LINT_ARGUMENT;
    if (*text != ':' || argument == ARGUMENT_NONE)
        return SPF_LINT_ARGUMENT;
    if (argument == ARGUMENT_IP4 || argument == ARGUMENT_IP6)
        return take_network(term, text + 1, length - 1);
    return take_domain(record, &term->domain, text + 1, length - 1) ? SPF_LINT_OK : SPF_LINT_DOMAIN;
}

static bool is_word(char const *text, size_t length, char const *word)
{
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

static enum spf_lint_result take_mechanism(struct spf_record *record, char const *text,
                                           size_t name_length, size_t length, char qualifier)
{
    struct spf_term term = {.qualifier = qualifier, .prefix4 = 32, .prefix6 = 128};
    size_t number = 0;
    while (number < MECHANISMS && !is_word(text, name_length, mechanisms[number].name))
        number++;
    if (number == MECHANISMS)
        return SPF_LINT_MECHANISM;
    term.kind = (uint8_t)mechanisms[number].kind;
    enum spf_lint_result const result =
        take_argument(record, &term, number, text + name_length, length - name_length);
    if (result != SPF_LINT_OK || record->ends_in_all)
        return result;
    if (record->count == SPF_TERMS_MAX)
        return SPF_LINT_TOO_LONG;
    record->terms[record->count++] = term;
    record->ends_in_all = term.kind == SPF_KIND_ALL;
    return SPF_LINT_OK;
}

/* name: a letter, then letters, digits, - _ and dots. */
static bool is_modifier_name(char const *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!spf_macro_is_alphanumeric(text[i]) && !memchr("-_.", text[i], 3))
            return false;
    return length > 0 && spf_macro_is_letter(*text);
}

static enum spf_lint_result take_modifier(struct spf_record *record, char const *text,
                                          size_t name_length, size_t length)
{
    char const *const value = text + name_length + 1;
    size_t const value_length = length - name_length - 1;
    struct spf_span *known = NULL;
    if (!is_modifier_name(text, name_length))
        return SPF_LINT_MODIFIER;
    if (is_word(text, name_length, "redirect"))
        known = &record->redirect;
    else if (is_word(text, name_length, "exp"))
        known = &record->explanation;
    if (!known)
        return spf_macro_is(value, value_length, SPF_FORM_STRING) ? SPF_LINT_OK : SPF_LINT_MODIFIER;
    if (known->length > 0)
        return SPF_LINT_TWICE;
    return take_domain(record, known, value, value_length) ? SPF_LINT_OK : SPF_LINT_DOMAIN;
}

static enum spf_lint_result take_term(struct spf_record *record, char const *text, size_t length)
{
    char qualifier = 0;
    if (memchr("+-?~", *text, 4)) {
        qualifier = *text++;
        length--;
    }
    size_t name_length = 0;
    while (name_length < length && !memchr(":/=", text[name_length], 3))
        name_length++;
    if (name_length == length || text[name_length] != '=')
        return take_mechanism(record, text, name_length, length, qualifier ? qualifier : '+');
    return qualifier ? SPF_LINT_MODIFIER : take_modifier(record, text, name_length, length);
}

enum spf_lint_result spf_lint(struct spf_record *record, char const *text, size_t length,
                              struct spf_span *problem)
{
    record->text = text;
    record->count = 0;
    record->ends_in_all = false;
    record->redirect = record->explanation = *problem = (struct spf_span){0, 0};
    if (length > SPF_RECORD_MAX)
        return SPF_LINT_TOO_LONG;
    for (size_t at = VERSION_LENGTH; at < length;) {
        char const *const start = text + at;
        char const *const blank = memchr(start, ' ', length - at);
        size_t const term_length = blank ? (size_t)(blank - start) : length - at;
        *problem = span_of(record, start, term_length);
        for (size_t i = 0; i < term_length; i++)
            if (start[i] < ' ' || start[i] > '~')
                return SPF_LINT_CHARACTERS;
        if (term_length > 0) {
            enum spf_lint_result const result = take_term(record, start, term_length);
            if (result != SPF_LINT_OK)
                return result;
        }
        at += term_length + 1;
    }
    return SPF_LINT_OK;
}
