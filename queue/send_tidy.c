#include "queue/send_tidy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "queue/notes.h"
#include "queue/queue_asked.h"
#include "queue/queue_control.h"
#include "queue/queue_count.h"
#include "queue/reasons.h"
#include "queue/send.h"
#include "queue/send_place.h"
#include "queue/send_take.h"

#define ROUND_SECONDS    3600
#define ENTRIES_A_TURN   256
#define SEARCHES_A_TURN  16 /* each up to 515 system calls, then a second at least without */
#define SEARCHES_SECONDS 1
#define SLOT_DIGITS      3
#define SLOT_MODE        0770

struct turn {
    struct send *send;
    unsigned int searches;
};

static bool is_one_of(char const *name, char const *const *names)
{
    for (; *names; names++)
        if (!strcmp(name, *names))
            return true;
    return false;
}

static void found(struct turn const *turn, char const *name, char const *why)
{
    send_odd_found(&turn->send->source.odd, turn->send->tidy.folder.place, name, why);
}

/* lost+found is the file system's, where the queue has one of its own; what begins with a dot
 * somebody has hidden here from programs; and a session that begins makes empty.PID, for a moment
 * (smtpd/keeper.c). */
static void look_at_queue(struct turn *turn, char const *name)
{
    static char const *const known[] = {"new",        "wheel",
                                        "notes",      "hold",
                                        "bad",        "lock",
                                        "wake",       QUEUE_COUNT_FILE,
                                        REASONS_FILE, QUEUE_CONTROL_NAME,
                                        "lost+found", QUEUE_ASKED_FOLDER,
                                        NULL};
    if (name[0] != '.' && strncmp(name, "empty.", strlen("empty.")) != 0 && !is_one_of(name, known))
        found(turn, name, "none of the queue's");
}

static bool is_slot(char const *name)
{
    return strspn(name, "0123456789") == SLOT_DIGITS && !name[SLOT_DIGITS] &&
           strcmp(name, "512") < 0;
}

static void look_at_wheel(struct turn *turn, char const *name)
{
    char path[sizeof "wheel/" + NAME_MAX];
    struct stat status;
    bool const cursor = !strcmp(name, "cursor");
    snprintf(path, sizeof path, "wheel/%s", name);
    if (!cursor && !is_slot(name))
        found(turn, name, "neither a slot of the wheel nor its cursor");
    else if (fstatat(turn->send->queue, path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
             (cursor ? !S_ISREG(status.st_mode) : !S_ISDIR(status.st_mode)))
        found(turn, name, cursor ? "not a file" : "not a folder");
}

/* Mail could not be put off into a slot that is missing. */
static void make_slots(struct send const *send)
{
    for (int slot = 0; slot < QUEUE_SLOTS; slot++) {
        char path[SEND_PLACE_PATH_MAX];
        send_place_folder(path, slot);
        if (mkdirat(send->queue, path, SLOT_MODE) == 0) {
            log_failure("slot-made", path, 0);
        } else if (errno != EEXIST) {
            log_failure("slot-not-made", path, errno);
        }
    }
}

/* Notes, and what was asked, are files under the name of a message. */
static bool is_of_message(struct turn const *turn, char const *name, struct stat *status)
{
    int const place = turn->send->tidy.folder.place;
    if (!queue_file_is_name(name)) {
        found(turn, name, "not the name of a message");
        return false;
    }
    if (!send_place_stat(turn->send->queue, place, name, status))
        return false;
    if (!S_ISREG(status->st_mode))
        found(turn, name, "not a file");
    return S_ISREG(status->st_mode);
}

/* Notes are made after their message and removed before it. What is found without one is left from
 * an error of the disk; but not before it is old, since messages are moved while they are looked
 * for, by the operator too. */
static void look_at_notes(struct turn *turn, char const *name)
{
    struct send *const send = turn->send;
    struct stat status;
    struct log_line line;
    int place = SEND_PLACE_NEW;
    if (!is_of_message(turn, name, &status) || !send_take_is_garbage(&status) ||
        send_active_find(&send->active, name))
        return;
    turn->searches++;
    if (send_place_find(send->queue, name, &place))
        return;
    notes_remove(send->queue, name);
    log_begin(&line, "collected");
    log_text(&line, "id", name);
    log_text(&line, "reason", "notes whose message is gone");
    log_write(&line);
}

/* Reads of the folder that is open. True at its end. */
static bool read_folder(struct turn *turn)
{
    struct send_folder *const folder = &turn->send->tidy.folder;
    char name[NAME_MAX + 1];
    for (unsigned int i = 0; i < ENTRIES_A_TURN && turn->searches < SEARCHES_A_TURN; i++)
        switch (send_folder_entry(folder, name)) {
        case SEND_FOLDER_FILE:
            if (folder->place == SEND_PLACE_QUEUE)
                look_at_queue(turn, name);
            else if (folder->place == SEND_PLACE_WHEEL)
                look_at_wheel(turn, name);
            else if (folder->place == SEND_PLACE_NOTES)
                look_at_notes(turn, name);
            else
                (void)is_of_message(turn, name, &(struct stat){0});
            break;
        case SEND_FOLDER_OTHER:
            break;
        case SEND_FOLDER_END:
        case SEND_FOLDER_ERROR: /* the next round looks again */
            return true;
        }
    return false;
}

bool send_tidy_turn(struct send *send, uint64_t clock)
{
    struct turn turn = {.send = send};
    struct send_tidy *const tidy = &send->tidy;
    if (clock < tidy->again)
        return false;
    if (!tidy->next)
        tidy->next = SEND_PLACE_QUEUE;
    if (!tidy->folder.stream && !send_folder_open(&tidy->folder, send->queue, tidy->next))
        log_failure("folder-not-read", "queue, wheel, asked or notes", errno);
    else if (!read_folder(&turn)) {
        if (turn.searches < SEARCHES_A_TURN)
            return true;
        tidy->again = clock + SEARCHES_SECONDS;
        return false;
    }
    if (tidy->next == SEND_PLACE_WHEEL)
        make_slots(send);
    if (tidy->next != SEND_PLACE_NOTES) {
        tidy->next++;
        return true;
    }
    tidy->next = 0;
    tidy->again = clock + ROUND_SECONDS;
    return false;
}
