#include "tools/queue_command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "configured.h"
#include "lib/privilege.h"
#include "lib/sandbox.h"
#include "queue/envelope.h"
#include "queue/queue_file.h"
#include "tools/queue_change.h"
#include "tools/queue_pause.h"
#include "tools/queue_status.h"
#include "tools/queue_view.h"

#define DESCRIPTORS 64
/* The head of the largest message, its recipients, and what is small. */
#define MEMORY                                                                                     \
    ((uint64_t)ENVELOPE_BYTES_MAX +                                                                \
     (uint64_t)ENVELOPE_RECIPIENTS_MAX * sizeof(struct queue_recipient) + (32u << 20))

static struct command {
    char const *name, *what;
    int (*run)(struct queue_arguments *arguments);
} const commands[] = {
    {"list", "[--json] [SELECTION]: what is in the queue", queue_view_list},
    {"show", "[--json] [--message] ID ...: one message", queue_view_show},
    {"status", "[--json]: how much there is, and what is paused", queue_status_show},
    {"retry", "ID ... | SELECTION: try now", queue_change},
    {"hold", "ID ... | SELECTION: do not try", queue_change},
    {"release", "ID ... | SELECTION: what is held is tried again", queue_change},
    {"drop", "ID ... | SELECTION: remove, without a word", queue_change},
    {"bounce", "ID ... | SELECTION: give up, and tell the sender", queue_change},
    {"pause", "local | remote | intake ...: nothing more is delivered, or taken", queue_pause},
    {"resume", "local | remote | intake | all ...: the end of that", queue_pause}};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_usage(FILE *out)
{
    fputs("usage: ekiden queue [-Q QUEUE] [-C CONTROL] COMMAND ...\ncommands:\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].what);
    fputs("SELECTION: one or more of\n"
          "  --sender ADDRESS | @DOMAIN | '<>'\n"
          "  --rcpt ADDRESS | @DOMAIN     a recipient that still waits\n"
          "  --domain DOMAIN              the same as --rcpt @DOMAIN\n"
          "  --state new | deferred | held | bad\n"
          "  --all\n"
          "drop and bounce ask before they touch all; --yes is the answer.\n",
          out);
}

_Noreturn void queue_command_usage(char const *what)
{
    fprintf(stderr, "ekiden queue: %s\n`ekiden queue help` tells more.\n", what);
    exit(QUEUE_EXIT_USAGE);
}

void queue_command_say(char const *id, char const *text)
{
    fprintf(stderr, "ekiden queue: %s: %s\n", id, text);
}

void queue_command_odd(char const *path)
{
    queue_command_say(path, "is not a folder; passed over (ekiden-send sets it aside)");
}

_Noreturn void queue_command_fail(char const *what, int number)
{
    fflush(stdout);
    fprintf(stderr, "ekiden queue: %s%s%s\n", what, number ? ": " : "",
            number ? strerror(number) : "");
    exit(QUEUE_EXIT_TEMPORARY);
}

static void take_option(struct queue_arguments *arguments, int option)
{
    struct queue_select *const select = &arguments->select;
    char const **const text = option == 's'   ? &select->sender
                              : option == 'r' ? &select->recipient
                              : option == 'd' ? &select->domain
                                              : NULL;
    if (text && *text)
        queue_command_usage("each of --sender, --rcpt and --domain may be given once");
    if (text && (!*optarg || !strcmp(optarg, "@")))
        queue_command_usage("an empty address or domain selects nothing; the null sender is '<>'");
    if (text)
        *text = optarg;
    else if (option == 't' && !queue_select_state(select, optarg))
        queue_command_usage("the states are new, deferred, held and bad");
    else if (option == 'Q')
        arguments->queue_path = optarg;
    else if (option == 'C')
        arguments->control_path = optarg;
    select->all = select->all || option == 'a';
    arguments->json = arguments->json || option == 'j';
    arguments->yes = arguments->yes || option == 'y';
    arguments->message = arguments->message || option == 'm';
}

static struct queue_arguments read_arguments(int argc, char *const *argv)
{
    static struct option const options[] = {
        {"sender", required_argument, NULL, 's'}, {"rcpt", required_argument, NULL, 'r'},
        {"domain", required_argument, NULL, 'd'}, {"state", required_argument, NULL, 't'},
        {"all", no_argument, NULL, 'a'},          {"json", no_argument, NULL, 'j'},
        {"yes", no_argument, NULL, 'y'},          {"message", no_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    struct queue_arguments arguments = {
        .queue_path = CONFIGURED_QUEUE, .control_path = CONFIGURED_CONTROL, .person = getuid()};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "Q:C:", options, NULL)) >= 0;) {
        if (option == '?')
            queue_command_usage("there is no such option, or it lacks its value");
        if (option == 'h') {
            print_usage(stdout);
            exit(QUEUE_EXIT_DONE);
        }
        take_option(&arguments, option);
    }
    if (optind == argc) {
        print_usage(stderr);
        exit(QUEUE_EXIT_USAGE);
    }
    arguments.command = argv[optind];
    arguments.words = argv + optind + 1;
    arguments.word_count = (size_t)(argc - optind - 1);
    return arguments;
}

static void fence(struct queue_arguments const *arguments)
{
    static int const calls[] = {
        SANDBOX_TALK_CALLS, SYS_writev, SYS_ioctl, SYS_exit, SYS_rt_sigaction, SYS_tgkill,
        SYS_nanosleep, SYS_clock_nanosleep, SYS_mprotect,
        /* the queue */
        SYS_openat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_lseek, SYS_pread64,
        SYS_pwrite64, SYS_fsync, SYS_fdatasync, SYS_flock, SYS_renameat, SYS_renameat2,
        SYS_unlinkat, SYS_faccessat, SYS_faccessat2, SYS_fcntl,
        /* the scheduler's socket */
        SYS_socket, SYS_connect, SYS_setsockopt};
    struct sandbox_limits const limits = {
        .memory = MEMORY, .descriptors = DESCRIPTORS, .file_size = UINT64_MAX, .processes = 0};
    struct sandbox_path const paths[] = {
        {.directory = arguments->queue, .access = SANDBOX_READ | SANDBOX_WRITE}};
    sandbox_limit(&limits);
    sandbox_allow_paths(paths, 1);
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
}

#define FOR_WHOM      "the queue is for root, and for the user that ekiden-send runs as"
#define NEVER_STARTED "no scheduler was ever started on this queue: start ekiden-send, or see -Q"

void queue_command_open(struct queue_arguments *arguments)
{
    arguments->queue = open(arguments->queue_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (arguments->queue < 0)
        queue_command_fail(errno == EACCES ? FOR_WHOM : arguments->queue_path, errno);
}

void queue_command_drop(struct queue_arguments *arguments)
{
    struct privilege_user owner = {.name = "owner of the queue"};
    struct stat status;
    if (fstat(arguments->queue, &status) != 0)
        queue_command_fail(arguments->queue_path, errno);
    owner.uid = status.st_uid;
    owner.gid = status.st_gid;
    if (privilege_is_root() && (!owner.uid || !owner.gid))
        queue_command_fail(NEVER_STARTED, 0);
    privilege_drop(&owner, NULL);
    if (faccessat(arguments->queue, "new", R_OK | W_OK | X_OK, 0) != 0)
        queue_command_fail(errno == ENOENT ? NEVER_STARTED : FOR_WHOM, errno == ENOENT ? 0 : errno);
    fence(arguments);
}

int queue_command(int argc, char *const *argv)
{
    struct queue_arguments arguments = read_arguments(argc, argv);
    if (!strcmp(arguments.command, "help")) {
        print_usage(stdout);
        return QUEUE_EXIT_DONE;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(arguments.command, commands[i].name))
            return commands[i].run(&arguments);
    print_usage(stderr);
    return QUEUE_EXIT_USAGE;
}
