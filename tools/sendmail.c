/* sendmail: the command that the programs of a Unix machine send mail with. Also mailq and
 * newaliases, by its name. It has no privilege: what it does, it does through the injector. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <skalibs/stralloc.h>

#include "configured.h"
#include "lib/aliases.h"
#include "lib/control.h"
#include "lib/descriptors.h"
#include "lib/header_address.h"
#include "lib/program_path.h"
#include "lib/table.h"
#include "queue/inject_client.h"
#include "tools/problem.h"
#include "tools/queue_show.h"
#include "tools/sendmail_options.h"
#include "tools/submission.h"

static int const codes[PROBLEM_KINDS] = {
    [PROBLEM_USAGE] = EX_USAGE,        [PROBLEM_DATA] = EX_DATAERR,
    [PROBLEM_RECIPIENT] = EX_NOUSER,   [PROBLEM_REFUSED] = EX_UNAVAILABLE,
    [PROBLEM_TEMPORARY] = EX_TEMPFAIL, [PROBLEM_CONFIGURATION] = EX_CONFIG,
    [PROBLEM_PERMISSION] = EX_NOPERM,
};

/* Behind the address that -f gives: each recipient has a sender of its own (VERP, as in qmail). */
static char const per_recipient[] = "-@[]";
enum { PER_RECIPIENT_LENGTH = sizeof per_recipient - 1 };

/* Takes what -f gives, unquoted; `<>` and nothing are the null sender. */
static void read_sender(struct submission *submission, char const *text)
{
    static struct header_address address;
    static char sender[HEADER_ADDRESS_MAX + sizeof per_recipient];
    struct header_address_list list;
    size_t const length = strlen(text);
    bool const verp =
        length > PER_RECIPIENT_LENGTH &&
        memcmp(text + length - PER_RECIPIENT_LENGTH, per_recipient, PER_RECIPIENT_LENGTH) == 0;
    header_address_start(&list, text, verp ? length - PER_RECIPIENT_LENGTH : length);
    enum header_address_result const result = header_address_next(&list, &address);
    submission->sender = sender;
    if (result == HEADER_ADDRESS_END && !verp)
        return;
    if (result != HEADER_ADDRESS_ONE || list.position != list.length ||
        (verp && !address.has_domain))
        problem_die_about(PROBLEM_USAGE, "-f expects one address", text, length);
    memcpy(sender, address.bytes, address.length + 1);
    if (verp)
        memcpy(sender + address.length, per_recipient, sizeof per_recipient);
    submission->sender_is_from = !verp; /* nobody can be answered there */
}

static void submit(struct sendmail_options const *options)
{
    struct submission submission = {.recipients = options->header_recipients ? SUBMISSION_BOTH
                                                                             : SUBMISSION_ARGUMENTS,
                                    .arguments = options->arguments,
                                    .lists = true,
                                    .sender_is_from = true,
                                    .ignore_return_path = true,
                                    .name = options->name,
                                    .dot_ends = !options->ignore_dots,
                                    .body_8bit = options->body_8bit,
                                    .notify = options->notify,
                                    .dsn = options->dsn};
    if (options->sender)
        read_sender(&submission, options->sender);
    submission_run(&submission);
}

/* SMTP on standard input and output: the server itself, under this user, with ekiden-queue for this
 * user behind it. Who may run this program may send mail, so relaying is allowed. */
_Noreturn static void serve_smtp(void)
{
    stralloc server = STRALLOC_ZERO, queue = STRALLOC_ZERO;
    if (!program_path(&server, "ekiden-smtpd") || !program_path(&queue, "ekiden-queue") ||
        setenv("QMAILQUEUE", queue.s, 1) != 0 || setenv("RELAYCLIENT", "", 1) != 0 ||
        setenv("TCPREMOTEIP", "127.0.0.1", 1) != 0)
        problem_die(PROBLEM_TEMPORARY, "out of memory", errno);
    char const *const folder = getenv("EKIDEN_QUEUE");
    char const *const arguments[] = {"ekiden-smtpd",
                                     "-C",
                                     submission_control(NULL),
                                     "-Q",
                                     folder && *folder ? folder : CONFIGURED_QUEUE,
                                     NULL};
    execv(server.s, (char **)arguments);
    problem_die(PROBLEM_TEMPORARY, server.s, errno);
}

/* What newaliases does elsewhere: here the file is read as it is, and a large one is compiled by
 * whoever may write beside it. */
static void check_aliases(void)
{
    struct control control;
    struct control_error error;
    struct table aliases = TABLE_ZERO;
    if (control_open(&control, submission_control(NULL), &error) == CONTROL_ERROR ||
        table_load_form(&aliases, &control, "aliases", TABLE_FOLDED, aliases_entry, &error) ==
            CONTROL_ERROR)
        problem_die(PROBLEM_CONFIGURATION, error.text, 0);
    table_free(&aliases);
    control_close(&control);
}

static char const *name_of(char const *path)
{
    char const *const slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "sendmail";
}

int main(int argc, char const *const *argv)
{
    struct sendmail_options options = {.mode = SENDMAIL_SUBMIT};
    char const *const name = name_of(argc > 0 ? argv[0] : NULL);
    problem_start("ekiden-sendmail", codes);
    if (!descriptors_standard())
        problem_die(PROBLEM_TEMPORARY, "/dev/null", errno);
    if (!strcmp(name, "mailq"))
        options.mode = SENDMAIL_QUEUE;
    else if (!strcmp(name, "newaliases"))
        options.mode = SENDMAIL_ALIASES;
    if (argc > 0)
        sendmail_options_parse(&options, argv);
    switch (options.mode) {
    case SENDMAIL_SUBMIT:
        submit(&options);
        break;
    case SENDMAIL_SMTP:
        serve_smtp();
    case SENDMAIL_QUEUE:
        queue_show(inject_client_path(NULL));
        break;
    case SENDMAIL_ALIASES:
        check_aliases();
        break;
    }
    return 0;
}
