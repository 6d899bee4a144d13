/* ekiden-explain: what a session would answer to a client, and which rule with which line would say
 * so. See ekiden-explain(8). */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "configured.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "smtpd/client.h"
#include "tools/explain.h"
#include "tools/explain_print.h"
#include "tools/explain_route.h"
#include "tools/print.h"

enum { EXIT_ACCEPTED = 0, EXIT_REFUSED = 1, EXIT_USAGE = 100, EXIT_TEMPORARY = 111 };

struct arguments {
    char const *control, *queue, *judge;
    struct explain_question question;
    bool has_role, json;
    uint16_t port; /* 0: not said */
};

static void print_usage(FILE *out)
{
    fputs("usage: ekiden explain --ip ADDRESS --helo NAME --from SENDER --rcpt RECIPIENT\n"
          "         [--auth LOGIN] [--tls] [--role mx|submission|submissions | --port PORT]\n"
          "         [--json] [-C CONTROL] [-Q QUEUE] [-J JUDGE-STATE]\n"
          "Shows what ekiden-smtpd would answer, and why. SENDER may be '<>'.\n",
          out);
}

_Noreturn static void die(int code, char const *what)
{
    fprintf(stderr, "ekiden explain: %s\n", what);
    exit(code);
}

_Noreturn static void die_usage(char const *what)
{
    fprintf(stderr, "ekiden explain: %s\n`ekiden explain --help` tells more.\n", what);
    exit(EXIT_USAGE);
}

/* What the client says is one line. */
static char const *take_text(char const *text)
{
    if (strpbrk(text, "\r\n"))
        die_usage("a client cannot say a line end within a command");
    return text;
}

static void take_option(struct arguments *arguments, int option)
{
    struct explain_question *const question = &arguments->question;
    switch (option) {
    case 'C':
        arguments->control = optarg;
        break;
    case 'Q':
        arguments->queue = optarg;
        break;
    case 'J':
        arguments->judge = optarg;
        break;
    case 'i':
        question->ip_text = optarg;
        if (!client_address(optarg, &question->ip))
            die_usage("--ip needs an address, as 192.0.2.1 or 2001:db8::1");
        break;
    case 'h':
        question->hello = take_text(optarg);
        break;
    case 'f':
        question->sender = take_text(optarg);
        break;
    case 'r':
        question->recipient = take_text(optarg);
        break;
    case 'a':
        question->login = optarg;
        break;
    case 't':
        question->tls = true;
        break;
    case 'R':
        arguments->has_role = role_parse(&question->role, optarg, strlen(optarg));
        if (!arguments->has_role)
            die_usage("--role needs mx, submission or submissions");
        break;
    case 'p':
        if (!ushort0_scan(optarg, &arguments->port) || !arguments->port)
            die_usage("--port needs a number from 1 to 65535");
        break;
    case 'j':
        arguments->json = true;
        break;
    case '?':
        die_usage("there is no such option, or it lacks its value");
    default:
        print_usage(stdout);
        exit(EXIT_ACCEPTED);
    }
}

static void read_arguments(struct arguments *arguments, int argc, char *const *argv)
{
    static struct option const options[] = {{"ip", required_argument, NULL, 'i'},
                                            {"helo", required_argument, NULL, 'h'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"rcpt", required_argument, NULL, 'r'},
                                            {"auth", required_argument, NULL, 'a'},
                                            {"tls", no_argument, NULL, 't'},
                                            {"role", required_argument, NULL, 'R'},
                                            {"port", required_argument, NULL, 'p'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'H'},
                                            {NULL, 0, NULL, 0}};
    struct explain_question const *const question = &arguments->question;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "C:Q:J:", options, NULL)) >= 0;)
        take_option(arguments, option);
    if (optind < argc)
        die_usage("everything that is asked is said by options");
    if (!question->ip_text || !question->hello || !question->sender || !question->recipient)
        die_usage("--ip, --helo, --from and --rcpt are needed");
    if (arguments->has_role && arguments->port)
        die_usage("--role or --port, not both");
}

/* Who says nothing of a port means the usual one: that of servers, or of users who log in. There is
 * no login without TLS, and no such port without it. */
static void choose_role(struct arguments *arguments, struct settings const *settings)
{
    struct explain_question *const question = &arguments->question;
    if (arguments->port)
        question->role = role_of_port(&settings->role_ports, arguments->port);
    else if (!arguments->has_role)
        question->role = question->login ? ROLE_SUBMISSION : ROLE_MX;
    question->tls = question->tls || question->login || question->role == ROLE_SUBMISSIONS;
}

_Noreturn static void die_control(struct control_error const *error)
{
    bool const closed = geteuid() != 0 && strstr(error->text, strerror(EACCES));
    fprintf(stderr, "ekiden explain: %s%s\n", error->text,
            closed ? ": this user may not read it, ask as root" : "");
    exit(EXIT_USAGE);
}

static void load(struct settings *settings, struct control *control, char const *path)
{
    struct control_error error;
    if (control_open(control, path, &error) != CONTROL_OK ||
        settings_load(settings, control, &error) == CONTROL_ERROR)
        die_control(&error);
    settings->greetdelay = settings->tarpit.seconds = 0; /* whoever asks is not let wait */
}

/* Only looked at. Who may not is told, because a full queue is a reason to refuse as well. */
static void open_room(struct queue_room *room, struct settings const *settings, char const *path)
{
    int const queue = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int const failure = errno;
    queue_room_open(room, queue);
    queue_room_pause(room, &settings->room);
    if (room->descriptor < 0)
        fprintf(stderr,
                "ekiden explain: the queue %s cannot be looked at (%s): whether it has room is not "
                "known here. Where it is elsewhere say so by -Q; else ask as root.\n",
                path, strerror(queue < 0 ? failure : errno));
    if (queue >= 0)
        close(queue);
}

int main(int argc, char *const *argv)
{
    struct arguments arguments = {
        .control = CONFIGURED_CONTROL, .queue = CONFIGURED_QUEUE, .judge = CONFIGURED_JUDGE};
    struct explain_answer answer = {.rules = NULL};
    struct control control;
    struct control_error error;
    struct settings settings;
    struct queue_room room;
    stralloc route = STRALLOC_ZERO;
    log_start("ekiden-explain");
    if (!descriptors_standard())
        return EXIT_TEMPORARY;
    read_arguments(&arguments, argc, argv);
    load(&settings, &control, arguments.control);
    choose_role(&arguments, &settings);
    open_room(&room, &settings, arguments.queue);
    explain_ask(
        &answer, &arguments.question,
        &(struct explain_means){
            .control = &control, .settings = &settings, .room = &room, .judge = arguments.judge});
    bool const accepted = explain_class(&answer) == 2 && answer.recipient.len;
    if (!accepted)
        answer.recipient.len = 0;
    if (accepted && explain_route(&route, &control, &settings, &answer.recipient,
                                  arguments.question.sender, &error) == CONTROL_ERROR)
        die_control(&error);
    if (!stralloc_0(&route))
        die(EXIT_TEMPORARY, "out of memory");
    (arguments.json ? explain_print_json : explain_print_text)(&arguments.question, &answer,
                                                               route.s);
    if (!print_flush())
        die(EXIT_TEMPORARY, "standard output cannot be written");
    return accepted ? EXIT_ACCEPTED : EXIT_REFUSED;
}
