#include "queue/send_count.h"

#include <errno.h>
#include <stddef.h>

#include "lib/log.h"
#include "queue/send_place.h"

#define COUNT_SECONDS  3600
#define ENTRIES_A_TURN 256
#define FOLDERS_A_TURN 16

/* The wheel, hold/, new/. */
static int following(int place)
{
    if (place == SEND_PLACE_HOLD)
        return SEND_PLACE_NEW;
    return place + 1 < QUEUE_SLOTS ? place + 1 : SEND_PLACE_HOLD;
}

static void finish(struct send_count *count)
{
    struct log_line line;
    uint64_t const before = queue_count_messages(count->shared);
    /* Added, and not stored: another process may count a message in this moment. */
    queue_count_add(count->shared, count->found - atomic_load(&count->shared->messages));
    count->counting = false;
    log_begin(&line, "queue-counted");
    log_number(&line, "messages", (uint64_t)count->found);
    log_number(&line, "believed", before);
    log_write(&line);
}

/* Reads of the folder that is open. True at its end. */
static bool read_folder(struct send_count *count, unsigned int *entries)
{
    static struct send_odd odd = {.count = SEND_ODD_MAX}; /* what is odd is logged elsewhere */
    char id[QUEUE_ID_LENGTH + 1];
    for (; *entries < ENTRIES_A_TURN; ++*entries)
        switch (send_folder_next(&count->folder, &odd, id)) {
        case SEND_FOLDER_FILE:
            count->found++;
            break;
        case SEND_FOLDER_OTHER:
            break;
        case SEND_FOLDER_END:
        case SEND_FOLDER_ERROR: /* the scheduler's own look at it says what is wrong */
            return true;
        }
    return false;
}

bool send_count_turn(struct send_count *count, int queue, bool wanted, uint64_t clock)
{
    unsigned int entries = 0;
    if (!count->counting) {
        if (!wanted || !count->shared || clock < count->again)
            return false;
        count->counting = true;
        count->next = 0;
        count->found = 0;
        count->again = clock + COUNT_SECONDS;
    }
    for (unsigned int folders = 0; folders < FOLDERS_A_TURN && entries < ENTRIES_A_TURN;) {
        bool const opened =
            count->folder.stream || send_folder_open(&count->folder, queue, count->next);
        if (opened && !read_folder(count, &entries))
            break;
        folders++;
        if (count->next == SEND_PLACE_NEW) {
            finish(count);
            return false;
        }
        count->next = following(count->next);
    }
    return true;
}
