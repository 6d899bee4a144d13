#include "smtpd/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configured.h"
#include "lib/log.h"
#include "queue/queue_layout.h"
#include "queue/wake.h"
#include "smtpd/client.h"

#define EXIT_CONFIGURATION 100
#define EXIT_TEMPORARY     111

/* What ports the configuration gives to TLS from the first octet on is not known here: those that
 * it is given without one count. */
static bool may_be_told(struct connection *client)
{
    client_choose_role(client, NULL);
    return client->role != ROLE_SUBMISSIONS;
}

_Noreturn static void give_up(struct connection *client, int code)
{
    static char const apology[] =
        "421 4.3.0 this server is not ready for mail; please try again later\r\n";
    if (client && may_be_told(client) && write(client->output, apology, sizeof apology - 1) < 0)
        log_failure("client-not-told", "write", errno);
    _exit(code);
}

struct settings *keeper_load_settings(struct control const *control)
{
    struct control_error error;
    struct settings *const settings = calloc(1, sizeof *settings);
    if (!settings) {
        log_failure("configuration-refused", "out of memory", errno);
        return NULL;
    }
    if (settings_load(settings, control, &error) == CONTROL_ERROR) {
        log_failure("configuration-refused", error.text, 0);
        free(settings);
        return NULL;
    }
    /* What qmail's patches and mailfront read; tcprules may set it for one client. */
    char const *const program = getenv("QMAILQUEUE");
    if (!settings->queueprogram && program && *program == '/')
        settings->queueprogram = strdup(program);
    return settings;
}

void keeper_use_settings(struct keeper *keeper, struct settings *settings)
{
    keeper->settings = settings;
    helper_program_use(&keeper->helpers.means, settings);
    queue_room_pause(&keeper->room, &settings->room);
}

/* A folder that was removed while open: nothing is in it, nothing can be made in it, and nobody
 * else can reach it. */
static int make_empty_folder_in(int parent)
{
    char name[] = "empty.0123456789";
    size_t at = sizeof name - 1;
    for (pid_t pid = getpid(); pid > 0; pid /= 10)
        name[--at] = (char)('0' + pid % 10);
    if (mkdirat(parent, name, 0500) != 0 && errno != EEXIST)
        return -1;
    int const empty = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && empty >= 0) {
        close(empty);
        return -1;
    }
    return empty;
}

/* In the queue, unless its disk is full or can only be read: who comes then has to hear 452, from a
 * server that has started. */
static int make_empty_folder(int queue)
{
    static char const *const others[] = {"/run", "/tmp", "/dev/shm"};
    int empty = make_empty_folder_in(queue);
    int const saved = errno;
    for (size_t i = 0; empty < 0 && i < sizeof others / sizeof *others; i++) {
        int const parent = open(others[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0)
            continue;
        empty = make_empty_folder_in(parent);
        close(parent);
    }
    errno = saved;
    return empty;
}

/* Somebody who has no queue to write into (`sendmail -bs`) has another program for that, and no
 * privilege that a dialogue could lose: the root folder is as good as an empty one. */
static bool open_nothing(struct keeper *keeper)
{
    if (privilege_is_root() || !keeper->settings->queueprogram)
        return false;
    keeper->folder = keeper->wake = keeper->count = -1;
    keeper->room = (struct queue_room){.descriptor = -1};
    keeper->empty = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return keeper->empty >= 0;
}

/* False: errno. What was opened stays open: the process ends, or holds nothing else. */
static bool open_folders(struct keeper *keeper, char const *path)
{
    int const queue = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (queue < 0 || !queue_layout_make(queue, &keeper->scheduler, &keeper->injector))
        return false;
    keeper->folder = openat(queue, "new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (keeper->folder < 0)
        return false;
    keeper->wake = wake_open(queue);
    if (keeper->wake < 0)
        return false;
    keeper->count = queue_count_open(queue, true);
    queue_room_open(&keeper->room, queue);
    keeper->empty = make_empty_folder(queue);
    if (keeper->empty < 0)
        return false;
    close(queue);
    return true;
}

static void open_queue(struct keeper *keeper, char const *path, struct connection *client)
{
    if (open_folders(keeper, path))
        return;
    int const number = errno;
    if (open_nothing(keeper))
        return;
    log_failure("queue-not-opened", path, number);
    give_up(client, EXIT_TEMPORARY);
}

void keeper_open(struct keeper *keeper, struct keeper_paths const *paths, struct connection *client)
{
    struct control_error error;
    struct settings *settings;
    umask(007);
    if (control_open(&keeper->control, paths->control, &error) == CONTROL_ERROR) {
        log_failure("configuration-refused", error.text, 0);
        give_up(client, EXIT_CONFIGURATION);
    }
    settings = keeper_load_settings(&keeper->control);
    if (!settings)
        give_up(client, EXIT_CONFIGURATION);
    if (!privilege_find(&keeper->dialogue, CONFIGURED_USER_DIALOGUE) ||
        !privilege_find(&keeper->injector, CONFIGURED_USER_INJECTOR) ||
        !privilege_find(&keeper->scheduler, CONFIGURED_USER_SCHEDULER))
        give_up(client, EXIT_CONFIGURATION);
    keeper->helpers.means = (struct helper_means){.control = &keeper->control,
                                                  .injector = keeper->injector,
                                                  .auth = {.path = paths->state, .folder = -1},
                                                  .judge = {.path = paths->judge, .folder = -1},
                                                  .judge_image = -1};
    keeper_use_settings(keeper, settings);
    open_queue(keeper, paths->queue, client);
    queue_room_pause(&keeper->room, &settings->room);
}
