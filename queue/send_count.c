#include "queue/send_count.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/send_place.h"

#define COUNT_SECONDS  3600
#define ENTRIES_A_TURN 256
#define FOLDERS_A_TURN 16
#define LOOKS_MAX      3 /* at new/, while others add to it */
#define COMMIT_SECONDS 10

/* The wheel, hold/, new/. */
static int following(int place)
{
    if (place == SEND_PLACE_HOLD)
        return SEND_PLACE_NEW;
    return place + 1 < QUEUE_SLOTS ? place + 1 : SEND_PLACE_HOLD;
}

/* Reads one entry. What is odd is logged elsewhere, and so is what is wrong with the folder. */
static enum send_folder_result read_entry(struct send_folder *folder, char id[QUEUE_ID_LENGTH + 1])
{
    static struct send_odd odd = {.count = SEND_ODD_MAX};
    return send_folder_next(folder, &odd, id);
}

/* Its writer holds the lock until it is durable, and counts it then. Of what was accepted a while
 * ago that needs no proof: to open each of 100,000 messages takes a second. */
static bool is_being_written(int queue, char const *id)
{
    struct stat status;
    if (send_place_stat(queue, SEND_PLACE_NEW, id, &status) &&
        status.st_mode & QUEUE_FILE_ACCEPTED && status.st_ctime < time(NULL) - COMMIT_SECONDS)
        return false;
    int const descriptor = send_place_open(queue, SEND_PLACE_NEW, id, O_RDONLY);
    if (descriptor < 0)
        return errno == ENOENT;
    bool const locked = flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(descriptor);
    return locked;
}

static int64_t count_folder(int queue, int place)
{
    struct send_folder folder;
    char id[QUEUE_ID_LENGTH + 1];
    enum send_folder_result result;
    int64_t found = 0;
    if (!send_folder_open(&folder, queue, place))
        return 0;
    do {
        result = read_entry(&folder, id);
        found +=
            result == SEND_FOLDER_FILE && !(place == SEND_PLACE_NEW && is_being_written(queue, id));
    } while (result == SEND_FOLDER_FILE || result == SEND_FOLDER_OTHER);
    return found;
}

/* Only new/ changes meanwhile. It is read until nobody has counted a message beside that, or nearly
 * so; and what is found is added, not stored: another process may count one in this moment. */
static void count_all(struct send_count *count, int queue)
{
    struct log_line line;
    int64_t kept = 0, found, before;
    unsigned int looks = 0;
    for (int place = 0; place != SEND_PLACE_NEW; place = following(place))
        kept += count_folder(queue, place);
    do {
        before = atomic_load(&count->shared->messages);
        found = kept + count_folder(queue, SEND_PLACE_NEW);
    } while (atomic_load(&count->shared->messages) != before && ++looks < LOOKS_MAX);
    queue_count_add(count->shared, found - before);
    log_begin(&line, "queue-counted");
    log_number(&line, "messages", (uint64_t)found);
    log_number(&line, "believed", before > 0 ? (uint64_t)before : 0);
    log_write(&line);
}

/* Reads of the folder that is open. True at its end. */
static bool read_ahead(struct send_count *count, unsigned int *entries)
{
    char id[QUEUE_ID_LENGTH + 1];
    for (; *entries < ENTRIES_A_TURN; ++*entries) {
        enum send_folder_result const result = read_entry(&count->folder, id);
        if (result == SEND_FOLDER_END || result == SEND_FOLDER_ERROR)
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
        count->again = clock + COUNT_SECONDS;
    }
    for (unsigned int folders = 0; folders < FOLDERS_A_TURN && entries < ENTRIES_A_TURN;) {
        bool const opened =
            count->folder.stream || send_folder_open(&count->folder, queue, count->next);
        if (opened && !read_ahead(count, &entries))
            break;
        folders++;
        if (count->next == SEND_PLACE_NEW) {
            count->counting = false;
            count_all(count, queue);
            return false;
        }
        count->next = following(count->next);
    }
    return true;
}
