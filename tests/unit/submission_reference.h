/* What smtpd/submission.h is to do, on a whole message in memory: for the unit test and the fuzz
 * target. */
#ifndef EKIDEN_SUBMISSION_REFERENCE_H
#define EKIDEN_SUBMISSION_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "smtpd/submission.h"

#define REFERENCE_DATE     "D"
#define REFERENCE_ID       "<I>"
#define REFERENCE_MAX_MORE 64 /* bytes that may be added */

struct submission_reference {
    unsigned int from_count; /* up to 2 */
    char const *from;        /* the value of the first */
    size_t from_length;
};

/* Length of the field's name at LINE, 0 when the line is no field. */
static inline size_t reference_name(char const *line, size_t length)
{
    size_t name = 0, colon;
    while (name < length && line[name] > 0x20 && line[name] < 0x7f && line[name] != ':')
        name++;
    for (colon = name; colon < length && (line[colon] == ' ' || line[colon] == '\t');)
        colon++;
    return colon < length && line[colon] == ':' && colon <= SUBMISSION_NAME_MAX ? name : 0;
}

static inline bool reference_is(char const *line, size_t length, char const *name)
{
    return length == strlen(name) && !strncasecmp(line, name, length);
}

/* Writes the completed message to OUT. Returns its length. TEXT is empty or ends with LF. */
static inline size_t reference_complete(char *out, struct submission_reference *found,
                                        char const *text, size_t length)
{
    size_t at = 0;
    bool date = false, id = false, begun = false, in_from = false;
    *found = (struct submission_reference){0};
    while (at < length && text[at] != '\n') {
        size_t const line = (size_t)((char const *)memchr(text + at, '\n', length - at) - text) + 1;
        bool const continues = begun && (text[at] == ' ' || text[at] == '\t');
        size_t const name = continues ? 0 : reference_name(text + at, line - at);
        if (!continues && !name)
            break;
        if (!continues) {
            date |= reference_is(text + at, name, "date");
            id |= reference_is(text + at, name, "message-id");
            in_from = reference_is(text + at, name, "from") && found->from_count++ == 0;
            if (in_from)
                found->from = (char const *)memchr(text + at, ':', line - at) + 1;
            begun = true;
        }
        at = line;
        if (in_from)
            found->from_length = (size_t)(text + at - found->from);
    }
    if (found->from_count > 2)
        found->from_count = 2;
    memcpy(out, text, at);
    size_t done = at;
    if (!date)
        done = (size_t)(stpcpy(out + done, "Date: " REFERENCE_DATE "\n") - out);
    if (!id)
        done = (size_t)(stpcpy(out + done, "Message-ID: " REFERENCE_ID "\n") - out);
    if (at < length && text[at] != '\n')
        out[done++] = '\n';
    memcpy(out + done, text + at, length - at);
    return done + length - at;
}

#endif
