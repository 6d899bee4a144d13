/* ekiden-queue: queues one message, by the interface of qmail-queue; or serves the users of this
 * machine at a socket.
 *
 * fd 0: the message, to its end; then fd 1: the envelope (queue/envelope.h). Exit codes as in
 * queue/queue_file.h: 0 means that the message is on the disk.
 *
 * With -l, or where fd 0 or LISTEN_FDS is a SOCK_SEQPACKET socket, what comes through the socket is
 * served instead (queue/injection.h). A user who may not write into the queue hands the message
 * over through such a socket: so this is the queue program of everybody, and never set-uid. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>

#include "configured.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/privilege.h"
#include "queue/inject_relay.h"
#include "queue/inject_server.h"
#include "queue/inject_socket.h"
#include "queue/queue_file.h"
#include "queue/queue_layout.h"
#include "queue/wake.h"

#define USAGE           "ekiden-queue [ -C control ] [ -Q queue ] [ -l socket ]"
#define ENVELOPE_PIECE  4096
#define TIMEOUT_SECONDS 86400 /* as in qmail-queue: a client may be slow, but not dead */

enum { MESSAGE = 0, ENVELOPE = 1 };

static struct queue_file file;
static char block[QUEUE_BUFFER];

/* Reads up to the size of BLOCK; less only at the end. -1: the client is gone. */
static ssize_t read_block(int descriptor)
{
    size_t got = 0;
    while (got < sizeof block) {
        ssize_t const count = read(descriptor, block + got, sizeof block - got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        got += (size_t)count;
    }
    return (ssize_t)got;
}

static bool write_block(int descriptor, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t const count = write(descriptor, block + done, length - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

/* The message comes before the envelope, but stands behind it in the file. */
struct spool {
    size_t length; /* of a message that fits into BLOCK */
    int file;      /* else a file without a name that holds it; -1: it fits */
};

static enum queue_status read_message(int folder, struct spool *spool)
{
    ssize_t length = read_block(MESSAGE);
    spool->file = -1;
    spool->length = (size_t)length;
    if (length < (ssize_t)sizeof block)
        return length < 0 ? QUEUE_READ : QUEUE_OK;
    spool->file = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->file < 0)
        return QUEUE_WRITE;
    for (; length > 0; length = read_block(MESSAGE))
        if (!write_block(spool->file, (size_t)length))
            return QUEUE_WRITE;
    if (lseek(spool->file, 0, SEEK_SET) != 0)
        return QUEUE_SYSTEM;
    return length < 0 ? QUEUE_READ : QUEUE_OK;
}

static enum queue_status copy_envelope(void)
{
    char piece[ENVELOPE_PIECE];
    while (!file.in_message) {
        ssize_t const count = read(ENVELOPE, piece, sizeof piece);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? QUEUE_READ : QUEUE_ENVELOPE;
        if (queue_file_envelope(&file, piece, (size_t)count) != QUEUE_OK)
            return file.status;
    }
    return QUEUE_OK;
}

static enum queue_status copy_message(struct spool const *spool)
{
    if (spool->file < 0)
        return queue_file_message(&file, block, spool->length);
    ssize_t length;
    while ((length = read_block(spool->file)) > 0)
        queue_file_message(&file, block, (size_t)length);
    return length < 0 ? QUEUE_READ : file.status;
}

/* The durable steps, in order; queue_file_commit does the last ones. */
static enum queue_status queue_message(int folder)
{
    char id[QUEUE_ID_LENGTH + 1];
    struct spool spool;
    enum queue_status status = read_message(folder, &spool);
    if (status != QUEUE_OK)
        return status;
    queue_file_name(id);
    status = queue_file_create(&file, folder, id, 0);
    if (status == QUEUE_OK)
        status = copy_envelope();
    if (status == QUEUE_OK)
        status = copy_message(&spool);
    if (status == QUEUE_OK)
        return queue_file_commit(&file);
    queue_file_abort(&file);
    return status;
}

static void time_out(int signal)
{
    (void)signal;
    _exit(QUEUE_TIMEOUT); /* the unfinished file has no end record: it is collected later */
}

struct arguments {
    char const *control, *queue, *path;
    bool named; /* the queue, by -Q */
};

static bool parse_arguments(struct arguments *arguments, int argc, char const *const *argv)
{
    subgetopt options = SUBGETOPT_ZERO;
    for (int option; (option = subgetopt_r(argc, argv, "C:Q:l:", &options)) >= 0;)
        switch (option) {
        case 'C':
            arguments->control = options.arg;
            break;
        case 'Q':
            arguments->queue = options.arg;
            arguments->named = true;
            break;
        case 'l':
            arguments->path = options.arg;
            break;
        default:
            return false;
        }
    return options.ind == argc;
}

struct users {
    struct privilege_user injector, scheduler;
    bool has_local;
    uid_t local;
};

/* The folders that a server needs: as in ekiden-send and ekiden-smtpd, whoever starts first makes
 * them. */
static bool make_layout(char const *path, struct users const *users)
{
    int const queue = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (queue < 0)
        return true; /* the injector's try is logged */
    bool const made = queue_layout_make(queue, &users->scheduler, &users->injector);
    close(queue);
    return made;
}

/* Finds who is who; a server makes the queue where it is not there yet. */
static bool find_users(struct users *users, char const *queue, bool serves)
{
    users->has_local = serves && privilege_uid(CONFIGURED_USER_LOCAL, &users->local);
    return privilege_find(&users->injector, CONFIGURED_USER_INJECTOR) &&
           (!serves || !privilege_is_root() ||
            (privilege_find(&users->scheduler, CONFIGURED_USER_SCHEDULER) &&
             make_layout(queue, users)));
}

/* False: errno. */
static bool open_queue(struct inject_server *server, char const *path)
{
    server->queue = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    server->folder =
        server->queue < 0 ? -1 : openat(server->queue, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (server->folder < 0) {
        int const saved = errno;
        if (server->queue >= 0)
            close(server->queue);
        errno = saved;
        return false;
    }
    server->wake = wake_open(server->queue);
    server->count = queue_count_use(server->queue);
    queue_room_open(&server->room, server->queue);
    queue_file_learn(server->folder);
    return true;
}

/* As the queue, opened before a server drops: the injector may have no way to these paths. And root
 * without CAP_DAC_OVERRIDE has none to the queue: that is tried again as the injector. */
static bool open_control(struct inject_server *server, char const *path)
{
    struct control_error error;
    if (control_open(&server->control, path, &error) != CONTROL_ERROR)
        return true;
    log_failure("configuration-refused", error.text, 0);
    return false;
}

/* For one message: without control files, or with malformed ones, the defaults hold. */
static void load_limits(struct queue_limits *limits, char const *path)
{
    struct control control;
    struct control_error error;
    *limits = (struct queue_limits){.minfree = QUEUE_MINFREE};
    if (control_open(&control, path, &error) == CONTROL_ERROR)
        return;
    if (queue_limits_load(limits, &control, &error) == CONTROL_ERROR)
        log_failure("configuration-refused", error.text, 0);
    control_close(&control);
}

static int serve(struct users const *users, struct inject_socket const *socket,
                 struct inject_server *server)
{
    privilege_refuse_root();
    server->listener = socket->descriptor;
    server->own = geteuid();
    server->has_local = users->has_local;
    server->local = users->has_local ? users->local : 0;
    return socket->connected ? inject_server_connection(server) : inject_server_listen(server);
}

int main(int argc, char const *const *argv)
{
    /* No set-uid: the environment is the caller's own. */
    char const *const environment = getenv("EKIDEN_QUEUE");
    struct arguments arguments = {.control = CONFIGURED_CONTROL,
                                  .queue =
                                      environment && *environment ? environment : CONFIGURED_QUEUE};
    struct inject_server server;
    struct inject_socket socket;
    struct users users;
    struct queue_limits limits;
    log_start("ekiden-queue");
    if (!descriptors_standard())
        return QUEUE_SYSTEM;
    if (!parse_arguments(&arguments, argc, argv)) {
        log_failure("usage", USAGE, 0);
        return QUEUE_CONFIGURATION;
    }
    umask(007);
    file.descriptor = -1;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is a write error */

    bool const serves = inject_socket_find(&socket, arguments.path);
    if (serves && !open_control(&server, arguments.control))
        return 100;
    if (!find_users(&users, arguments.queue, serves))
        return QUEUE_CONFIGURATION;
    if (!serves)
        load_limits(&limits, arguments.control);
    bool opened = serves && open_queue(&server, arguments.queue);
    /* To the injector: else the scheduler, which is not root, could not read the file. */
    if (serves || privilege_is_root())
        privilege_drop(&users.injector, NULL);
    if (!opened)
        opened = open_queue(&server, arguments.queue);
    signal(SIGALRM, time_out);
    if (!serves)
        alarm(TIMEOUT_SECONDS);
    /* Not for this user, or not in his sight (a container): who has it takes the message. But a
     * folder that -Q names is expected to be there. */
    if (!opened && !serves && (errno == EACCES || (errno == ENOENT && !arguments.named)))
        return (int)inject_relay();
    if (!opened) {
        log_failure("queue-not-opened", arguments.queue, errno);
        return QUEUE_FOLDER;
    }
    if (serves)
        return serve(&users, &socket, &server);
    queue_room_pause(&server.room, &limits);
    enum queue_lack const lack = queue_room_look(&server.room, &limits, 0);
    if (lack != QUEUE_LACKS_NOTHING)
        return lack == QUEUE_IS_PAUSED ? QUEUE_PAUSED : QUEUE_WRITE;
    enum queue_status const status = queue_message(server.folder);
    if (status == QUEUE_OK) {
        queue_count_add(server.count, 1);
        wake_scheduler(server.wake, file.id);
    }
    return (int)status;
}
