/* Reads a folder of the queue bit by bit: with 100,000 files in it neither the time of a turn of
 * the loop nor the memory grows. */
#ifndef EKIDEN_SEND_FOLDER_H
#define EKIDEN_SEND_FOLDER_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "queue/queue_file.h"
#include "queue/send_odd.h"

struct send_folder {
    DIR *stream; /* NULL: not open */
    int place;
};

/* Opens the folder PLACE of QUEUE. False: errno. */
bool send_folder_open(struct send_folder *folder, int queue, int place);
/* Says of the errno of send_folder_open that there is no such folder but something else, of which
 * nothing is a message: the scheduler sets it aside (queue/send_tidy.h). */
bool send_folder_is_other(int number);
void send_folder_close(struct send_folder *folder);

enum send_folder_result {
    SEND_FOLDER_FILE,  /* ID is the next name */
    SEND_FOLDER_OTHER, /* an entry that is no queue file was passed over or set aside */
    SEND_FOLDER_END,   /* the folder was read to its end and closed */
    SEND_FOLDER_ERROR  /* errno: it was closed before its end */
};

/* Reads one entry, whatever it is, save . and .. */
enum send_folder_result send_folder_entry(struct send_folder *folder, char name[NAME_MAX + 1]);

/* Reads one entry. What has no name of a queue file is given to ODD. */
enum send_folder_result send_folder_next(struct send_folder *folder, struct send_odd *odd,
                                         char id[QUEUE_ID_LENGTH + 1]);

#endif
