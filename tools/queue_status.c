#include "tools/queue_status.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/control.h"
#include "lib/paused.h"
#include "queue/send_folder.h"
#include "queue/send_place.h"
#include "tools/print.h"

static void count_folder(int queue, int place, uint64_t *count)
{
    static struct send_odd odd = {.count = SEND_ODD_MAX}; /* the scheduler says what is odd */
    struct send_folder folder;
    char id[QUEUE_ID_LENGTH + 1], path[SEND_PLACE_PATH_MAX];
    enum send_folder_result result;
    if (!send_folder_open(&folder, queue, place)) {
        int const number = errno;
        send_place_folder(path, place);
        if (send_folder_is_other(number))
            queue_command_odd(path);
        else if (number != ENOENT)
            queue_command_fail("the queue cannot be read", number);
        return;
    }
    while ((result = send_folder_next(&folder, &odd, id)) != SEND_FOLDER_END) {
        if (result == SEND_FOLDER_ERROR)
            queue_command_fail("the queue cannot be read", errno);
        *count += result == SEND_FOLDER_FILE;
    }
}

/* Who runs has the lock. */
static bool is_running(int queue)
{
    int const lock = openat(queue, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    bool const taken = lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (lock >= 0)
        close(lock);
    return taken;
}

static void print_json(uint64_t const counts[QUEUE_ITEM_STATES], bool const paused[PAUSED_COUNT],
                       bool running)
{
    for (enum queue_item_state state = 0; state < QUEUE_ITEM_STATES; state++) {
        print(state ? ",\"" : "{\"");
        print(queue_item_state_name(state));
        print("\":");
        print_number(counts[state]);
    }
    print(",\"paused\":[");
    for (enum paused_what what = 0, before = 0; what < PAUSED_COUNT; what++)
        if (paused[what]) {
            print(before++ ? ",\"" : "\"");
            print(paused_words[what]);
            print("\"");
        }
    print(running ? "],\"scheduler\":true}\n" : "],\"scheduler\":false}\n");
}

static void print_words(uint64_t const counts[QUEUE_ITEM_STATES], bool const paused[PAUSED_COUNT],
                        bool running)
{
    bool any = false;
    for (enum queue_item_state state = 0; state < QUEUE_ITEM_STATES; state++) {
        print(queue_item_state_name(state));
        print(" ");
        print_number(counts[state]);
        print("\n");
    }
    print("paused");
    for (enum paused_what what = 0; what < PAUSED_COUNT; what++)
        if (paused[what]) {
            print(" ");
            print(paused_words[what]);
            any = true;
        }
    print(any ? "\n" : " nothing\n");
    print(running ? "scheduler running\n" : "scheduler not running\n");
}

int queue_status_show(struct queue_arguments *arguments)
{
    struct control control;
    struct control_error error;
    bool paused[PAUSED_COUNT];
    uint64_t counts[QUEUE_ITEM_STATES] = {0};
    if (arguments->word_count || queue_select_is_given(&arguments->select) || arguments->yes ||
        arguments->message)
        queue_command_usage("status takes nothing but --json");
    if (control_open(&control, arguments->control_path, &error) == CONTROL_ERROR ||
        paused_load(paused, &control, &error) == CONTROL_ERROR)
        queue_command_fail(error.text, 0);
    queue_command_open(arguments);
    queue_command_drop(arguments);
    for (int place = SEND_PLACE_BAD; place < QUEUE_SLOTS; place++)
        count_folder(arguments->queue, place, counts + queue_item_state_of(place));
    (arguments->json ? print_json : print_words)(counts, paused, is_running(arguments->queue));
    if (!print_flush())
        queue_command_fail("standard output cannot be written", errno);
    return QUEUE_EXIT_DONE;
}
