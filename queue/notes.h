/* Notes: what was learned about the recipients of a message and must outlive a crash, in the file
 * notes/ID of the queue, beside the message. Lines of text, only ever appended:
 *
 *   F INDEX TEXT   recipient INDEX (decimal, from 0, in the order of the envelope) failed for good
 *   D INDEX TEXT   recipient INDEX was put off in the try after which a delay is reported
 *   S INDEX TEXT   recipient INDEX was delivered to, and the sender asked to be told (RFC 3461)
 *   R INDEX TEXT   the same, relayed to a server that will not tell
 *   E INDEX TEXT   the same, passed on to several addresses
 *   W              the sender was told of the delay
 * TEXT is one line of printable text that begins with an enhanced status code. Of several lines for
 * one recipient the last counts. A failure is noted, durably, before its mark says `-`, and what is
 * noted of a success before it says `!`; so a line that a crash cut short belongs to no mark. Each
 * append begins with an empty line, so that a torn line never swallows the next. */
#ifndef EKIDEN_NOTES_H
#define EKIDEN_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "queue/queue_file.h"

#define NOTES_LINE_MAX 1024 /* bytes; longer lines are ignored by the reader */

enum notes_letter {
    NOTES_FAILED = 'F',
    NOTES_DELAYED = 'D',
    NOTES_DELIVERED = 'S',
    NOTES_RELAYED = 'R',
    NOTES_EXPANDED = 'E',
    NOTES_WARNED = 'W'
};

/* Adds a line to LINES, control characters made `?`. INDEX and TEXT do not count for NOTES_WARNED.
 * False when out of memory. */
bool notes_format(stralloc *lines, enum notes_letter letter, uint32_t index, char const *text);

/* Appends LINES to notes/ID below QUEUE, makes them durable, and the folder too when the file is
 * new. False: errno. */
bool notes_append(int queue, char const *id, stralloc const *lines);

/* Opens notes/ID for reading. -1: errno (ENOENT: there are none). */
int notes_open(int queue, char const *id);
/* Removes them; nothing happens when there are none. */
void notes_remove(int queue, char const *id);

/* Called for each line; TEXT is NUL-terminated and valid during the call. False stops. */
typedef bool notes_line_func(void *context, enum notes_letter letter, uint32_t index,
                             char const *text);
/* Reads all lines of DESCRIPTOR from its start, in bounded memory. False: errno, or stopped. */
bool notes_read(int descriptor, notes_line_func *line, void *context);

#endif
