/* Where a queue file lies, and the three things that happen to it there: it is opened, moved on or
 * removed. Paths are relative to the descriptor of the queue folder, so a move is one rename. */
#ifndef EKIDEN_SEND_PLACE_H
#define EKIDEN_SEND_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "queue/queue_file.h"
#include "queue/queue_layout.h"

/* A place is a slot of the wheel (0 to QUEUE_SLOTS - 1) or one of these. No message lies in the
 * last four: they are folders to be looked through. */
enum send_place {
    SEND_PLACE_NEW = -1,
    SEND_PLACE_HOLD = -2,
    SEND_PLACE_BAD = -3,
    SEND_PLACE_NOTES = -4,
    SEND_PLACE_ASKED = -5,
    SEND_PLACE_WHEEL = -6, /* itself */
    SEND_PLACE_QUEUE = -7  /* itself */
};

#define SEND_PLACE_PATH_MAX (sizeof "wheel/000/" + QUEUE_ID_LENGTH)

/* Writes the path of the folder PLACE, without a slash at its end. */
void send_place_folder(char path[SEND_PLACE_PATH_MAX], int place);

/* Opens the file ID with FLAGS, never through a link and never waiting. -1: errno. */
int send_place_open(int queue, int place, char const *id, int flags);

/* Renames the file ID from FROM to TO. A file that is there already is never replaced (EEXIST). */
bool send_place_move(int queue, int from, int to, char const *id);

/* The same for any two paths below QUEUE. */
bool send_place_rename(int queue, char const *from, char const *to);

/* What the entry ID is, a link not followed. False: errno. */
bool send_place_stat(int queue, int place, char const *id, struct stat *status);

bool send_place_remove(int queue, int place, char const *id);

/* Finds where ID lies: at *PLACE, which may be no place at all, else anywhere. False: nowhere. What
 * is moved meanwhile may be missed. */
bool send_place_find(int queue, char const *id, int *place);

/* Makes what happened in the folder PLACE durable. False: errno. */
bool send_place_sync(int queue, int place);

#endif
