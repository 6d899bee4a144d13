/* What smtpd/results_filter.h does, written for a whole message in memory. */
#ifndef EKIDEN_RESULTS_REFERENCE_H
#define EKIDEN_RESULTS_REFERENCE_H

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "smtpd/results_filter.h"

/* The end of the header: behind its last line, before the empty one. */
static size_t reference_header_end(char const *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        if (text[at] == '\n' || (text[at] == '\r' && at + 1 < length && text[at + 1] == '\n'))
            return at;
        char const *const end = memchr(text + at, '\n', length - at);
        at = end ? (size_t)(end - text) + 1 : length;
    }
    return length;
}

/* The end of the field or line at TEXT, folded lines included. */
static size_t reference_field_end(char const *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\n' && (i + 1 == length || (text[i + 1] != ' ' && text[i + 1] != '\t')))
            return i + 1;
    return length;
}

/* Where the authserv-id begins; 0 when there is none. */
static size_t reference_skip_comments(char const *text, size_t length, size_t at)
{
    size_t depth = 0;
    for (; at < length; at++)
        if (depth && text[at] == '\\')
            at++;
        else if (text[at] == '(')
            depth++;
        else if (depth && text[at] == ')')
            depth--;
        else if (!depth && !strchr(" \t\r\n", text[at]))
            return at;
        else if (!depth && !text[at])
            return at;
    return 0;
}

static bool reference_is_token(unsigned char byte)
{
    static char const special[] = "()<>@,;:\\\"/[]?=";
    return byte > ' ' && byte != 0x7f && !memchr(special, byte, sizeof special - 1);
}

/* Is the field of LENGTH bytes to go? */
static bool reference_is_ours(char const *text, size_t length, char const *me)
{
    static char const name[] = "Authentication-Results";
    char id[HEADER_SCAN_HELD_MAX];
    size_t at = sizeof name - 1, size = 0;
    bool ascii = true;
    if (length < at || strncasecmp(text, name, at) != 0)
        return false;
    while (at < length && (text[at] == ' ' || text[at] == '\t'))
        at++;
    if (at > HEADER_SCAN_HELD_MAX)
        return true;
    if (at == length || text[at] != ':')
        return false;
    bool const whole = length < HEADER_SCAN_HELD_MAX;
    if (!whole)
        length = HEADER_SCAN_HELD_MAX;
    if (at + 1 >= length || !(at = reference_skip_comments(text, length, at + 1)))
        return true;
    if (text[at] == '"') {
        for (at++; at < length && text[at] != '"'; at++) {
            bool const escape = text[at] == '\\';
            at += escape;
            if (at < length && (escape || (text[at] != '\r' && text[at] != '\n')))
                id[size++] = text[at];
        }
        if (at >= length)
            return true;
    } else {
        while (at < length && reference_is_token((unsigned char)text[at]))
            id[size++] = text[at++];
        if (size == 0 || (at == length && !whole))
            return true;
    }
    if (size > 0 && id[size - 1] == '.')
        size--;
    for (size_t i = 0; i < size; i++)
        ascii = ascii && (unsigned char)id[i] < 0x80;
    /* An id that had a dot only is empty too, and nobody's name. */
    return size == 0 || (size == strlen(me) && !strncasecmp(id, me, size)) ||
           (!ascii && (!strncmp(me, "xn--", 4) || strstr(me, ".xn--")));
}

/* Writes what is left of TEXT to OUT, which has room for LENGTH bytes. Returns its length. */
static size_t reference_strip(char *out, char const *text, size_t length, char const *me)
{
    size_t const header = reference_header_end(text, length);
    size_t used = 0;
    for (size_t at = 0; at < header;) {
        size_t const size = reference_field_end(text + at, header - at);
        if (!reference_is_ours(text + at, size, me)) {
            memcpy(out + used, text + at, size);
            used += size;
        }
        at += size;
    }
    memcpy(out + used, text + header, length - header);
    return used + length - header;
}

#endif
