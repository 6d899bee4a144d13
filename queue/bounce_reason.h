/* The reason of one failure, taken apart for a report. */
#ifndef EKIDEN_BOUNCE_REASON_H
#define EKIDEN_BOUNCE_REASON_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/stralloc.h>

#define BOUNCE_CODE_SIZE 12 /* "5.123.456" and its NUL, and some */

struct bounce_reason {
    char code[BOUNCE_CODE_SIZE]; /* RFC 3463; X.0.0 when the text does not begin with one */
    char const *words;           /* what the code means to a person: a constant sentence */
    /* The parts of `CODE PEER said: REPLY`, into the text; empty where the text is another one. */
    char const *peer; /* name or address of the server, without its port */
    size_t peer_length;
    char const *reply; /* NUL-terminated: from the reply code on */
};

/* Takes TEXT (NUL-terminated, printable) apart. STANDARD is the class of a missing code: '5', '4'
 * or '2'. A code of class 2 is one only where that is the standard. */
void bounce_reason_parse(struct bounce_reason *reason, char const *text, char standard);

/* Appends BYTES as a report may show them: control characters become `?`, and so do bytes above 127
 * unless UTF8 is true and they are well-formed. At most MAXIMUM bytes, `...` included where it is
 * cut. False when out of memory. */
bool bounce_show(stralloc *out, char const *bytes, size_t length, size_t maximum, bool utf8);

/* The same for an address of the envelope, in the form of the wire, with at most 900 bytes: longer
 * than that none can be, by RFC 5321 4.5.3.1, and so long a line has room for it. */
bool bounce_show_address(stralloc *out, char const *address, size_t length, bool utf8);

/* True for text with bytes above 127 that is well-formed UTF-8. */
bool bounce_is_utf8(char const *bytes, size_t length);
bool bounce_is_ascii(char const *bytes, size_t length);

#endif
