/* queue/queue_walk.h: all messages in order, more of them than are chosen at a time, each once. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue/queue_walk.h"
#include "queue/send_place.h"

#define COUNT (QUEUE_WALK_BATCH + 700)

static char top[] = "/dev/shm/ekiden-walk-XXXXXX";
static int queue;

static int const places[] = {SEND_PLACE_NEW, SEND_PLACE_HOLD, 0, 7, QUEUE_SLOTS - 1};
#define PLACES (sizeof places / sizeof *places)

/* A name for NUMBER, in the order of the numbers. */
static void name_of(char id[QUEUE_ID_LENGTH + 1], unsigned int number)
{
    snprintf(id, QUEUE_ID_LENGTH + 1, "1k0vvs9chf9%09u", number % 1000000000u);
}

static void path_of(char *path, size_t size, int place, char const *id)
{
    char folder[SEND_PLACE_PATH_MAX];
    send_place_folder(folder, place);
    snprintf(path, size, "%s/%s", folder, id);
}

static void put(int place, char const *id)
{
    char path[64];
    path_of(path, sizeof path, place, id);
    int const file = openat(queue, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(file >= 0);
    close(file);
}

static int make_queue(void **state)
{
    char id[QUEUE_ID_LENGTH + 1], folder[SEND_PLACE_PATH_MAX];
    (void)state;
    if (!mkdtemp(top) || (queue = open(top, O_RDONLY | O_DIRECTORY)) < 0)
        return -1;
    mkdirat(queue, "wheel", 0700);
    mkdirat(queue, "bad", 0700);
    for (size_t i = 0; i < PLACES; i++) {
        send_place_folder(folder, places[i]);
        mkdirat(queue, folder, 0700);
    }
    /* Far apart in time, close in the folders. */
    for (unsigned int number = 0; number < COUNT; number++) {
        name_of(id, number * 7919 % COUNT);
        put(places[number % PLACES], id);
    }
    return 0;
}

static int remove_queue(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", top);
    return system(command);
}

struct seen {
    unsigned int count, stop;
    int moved; /* the one that is moved when the first is seen, or -1 */
};

static bool see(void *context, int place, char const *id, int descriptor)
{
    struct seen *const seen = context;
    char expected[QUEUE_ID_LENGTH + 1], path[64];
    struct stat opened, there;
    name_of(expected, seen->count);
    assert_string_equal(id, expected);
    path_of(path, sizeof path, place, id);
    assert_int_equal(fstat(descriptor, &opened), 0);
    assert_int_equal(fstatat(queue, path, &there, 0), 0);
    assert_true(opened.st_ino == there.st_ino);
    if (seen->count++ == 0 && seen->moved >= 0) {
        int from = QUEUE_SLOTS;
        name_of(expected, (unsigned int)seen->moved);
        assert_true(send_place_find(queue, expected, &from));
        assert_true(send_place_move(queue, from, from == 7 ? 0 : 7, expected));
    }
    return seen->count != seen->stop;
}

static void in_order_and_once(void **state)
{
    struct seen seen = {.moved = -1};
    (void)state;
    assert_true(queue_walk(queue, true, see, NULL, &seen));
    assert_int_equal(seen.count, COUNT);
}

/* What has moved since its name was read is found where it is. */
static void what_moves_is_found(void **state)
{
    struct seen seen = {.moved = 5000};
    (void)state;
    assert_true(queue_walk(queue, false, see, NULL, &seen));
    assert_int_equal(seen.count, COUNT);
}

static void it_can_be_stopped(void **state)
{
    struct seen seen = {.moved = -1, .stop = 3};
    (void)state;
    errno = EIO;
    assert_false(queue_walk(queue, true, see, NULL, &seen));
    assert_int_equal(errno, 0);
    assert_int_equal(seen.count, 3);
}

/* What arrives in the meantime is not for this walk, so that it ends. */
static bool see_and_add(void *context, int place, char const *id, int descriptor)
{
    struct seen *const seen = context;
    char added[QUEUE_ID_LENGTH + 1];
    (void)place;
    (void)id;
    (void)descriptor;
    if (seen->count++ % 100 == 0) {
        name_of(added, COUNT + seen->count);
        put(SEND_PLACE_NEW, added);
    }
    return true;
}

static void what_arrives_is_not_waited_for(void **state)
{
    struct seen seen = {.moved = -1};
    (void)state;
    assert_true(queue_walk(queue, true, see_and_add, NULL, &seen));
    assert_int_equal(seen.count, COUNT);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(in_order_and_once),
        cmocka_unit_test(what_moves_is_found),
        cmocka_unit_test(it_can_be_stopped),
        cmocka_unit_test(what_arrives_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, make_queue, remove_queue);
}
