/* Why a recipient was put off the last time, for people who look at the queue: the file `reasons`
 * of the queue, a table of a fixed size in which each deferral writes over one entry, chosen by
 * message and recipient. It costs one write without a sync, no memory, and no file a message.
 *
 * It is a hint: an entry may have been lost in a crash, or overwritten by one of another recipient,
 * and one that is damaged is none. No delivery depends on it. */
#ifndef EKIDEN_REASONS_H
#define EKIDEN_REASONS_H

#include <stdbool.h>
#include <stdint.h>

#define REASONS_FILE     "reasons"
#define REASONS_ENTRIES  16384
#define REASONS_TEXT_MAX 471 /* bytes, without the NUL; longer is cut */

struct reason {
    uint64_t when; /* seconds since 1970 */
    char text[REASONS_TEXT_MAX + 1];
};

/* Opens the file below QUEUE, to look or for changes; then it is made where it is missing. -1:
 * errno; EINVAL: what has its name is no file. */
int reasons_open(int queue, bool changes);

/* Notes that recipient INDEX of the message ID was put off at WHEN for the reason TEXT. Where FILE
 * is -1, or the disk has no room, nothing is noted. */
void reasons_put(int file, char const *id, uint32_t index, uint64_t when, char const *text);

/* False: nothing is known. */
bool reasons_get(int file, char const *id, uint32_t index, struct reason *reason);

#endif
