#include "tools/submission.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/types.h>

#include "configured.h"
#include "lib/spool.h"
#include "lib/utf8.h"
#include "queue/inject_client.h"
#include "tools/compose.h"
#include "tools/message_header.h"
#include "tools/message_input.h"
#include "tools/problem.h"
#include "tools/sender_names.h"

struct work {
    struct submission const *submission;
    struct sender_names names;
    struct message_input input;
    struct message_header header;
    struct compose compose;
    struct spool body;
    stralloc sender; /* the envelope's, without NUL */
    bool body_8bit, smtputf8;
    char piece[MESSAGE_INPUT_PIECE + 4];
};

char const *submission_control(char const *given)
{
    char const *const path = given ? given : getenv("EKIDEN_CONTROL");
    return path && *path ? path : CONFIGURED_CONTROL;
}

/* True for UTF-8 as it stands in files: with line ends and blanks. */
static bool is_utf8(char const *bytes, size_t length)
{
    for (size_t i = 0, size; i < length; i += size) {
        bool const ascii = (unsigned char)bytes[i] < 0x80;
        size = ascii ? 1 : utf8_next(bytes + i, length - i);
        if (!size)
            return false;
    }
    return true;
}

static bool has_8bit(char const *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)bytes[i] >= 0x80)
            return true;
    return false;
}

static void add_body(struct work *work, char const *bytes, size_t length)
{
    if (!work->body_8bit)
        work->body_8bit = has_8bit(bytes, length);
    if (!spool_add(&work->body, bytes, length))
        problem_die(PROBLEM_TEMPORARY, "4.3.1 the message cannot be kept in TMPDIR", errno);
}

static void read_message(struct work *work)
{
    size_t length;
    message_input_start(&work->input, work->submission->dot_ends);
    spool_start(&work->body);
    do
        length = message_input_read(&work->input, work->piece);
    while (!message_header_add(&work->header, work->piece, length, length == 0));
    add_body(work, work->header.text.s + work->header.rest,
             work->header.text.len - work->header.rest);
    while ((length = message_input_read(&work->input, work->piece)))
        add_body(work, work->piece, length);
    if (!spool_rewind(&work->body))
        problem_die(PROBLEM_TEMPORARY, "4.3.1 the message cannot be kept in TMPDIR", errno);
}

static void add(stralloc *out, char const *bytes, size_t length)
{
    if (!stralloc_catb(out, bytes, length))
        problem_die(PROBLEM_TEMPORARY, "out of memory", errno);
}

/* `-TIME.PID` behind the user, so that each message's bounces can be told apart. */
static void mark_message(stralloc *user)
{
    char text[2 + UINT64_FMT + UINT_FMT] = "-";
    size_t length = 1 + uint64_fmt(text + 1, (uint64_t)time(NULL));
    text[length++] = '.';
    length += uint_fmt(text + length, (unsigned int)getpid());
    add(user, text, length);
}

/* By -f (taken already), Return-Path, the environment, in this order. */
static void choose_sender(struct work *work)
{
    struct submission const *const submission = work->submission;
    struct sender_names const *const names = &work->names;
    struct compose *const compose = &work->compose;
    stralloc plain = STRALLOC_ZERO;
    if (submission->sender)
        return;
    if (compose->has_return_path && !submission->ignore_return_path &&
        !(names->flags & SENDER_NOT_RETURN_PATH)) {
        add(&work->sender, compose->return_path.s, compose->return_path.len);
        return;
    }
    add(&plain, names->sender_user, strlen(names->sender_user));
    if (names->flags & SENDER_PER_MESSAGE)
        mark_message(&plain);
    if (names->flags & SENDER_PER_RECIPIENT)
        add(&plain, "-", 1);
    add(&plain, "@", 1);
    add(&plain, names->sender_host, strlen(names->sender_host) + 1);
    compose_envelope_address(compose, &work->sender, plain.s);
    stralloc_free(&plain);
}

static bool is_per_recipient(struct work const *work)
{
    return (work->names.flags & SENDER_PER_RECIPIENT) && !work->submission->sender &&
           (!work->compose.has_return_path || work->submission->ignore_return_path ||
            (work->names.flags & SENDER_NOT_RETURN_PATH));
}

/* `user-@host` becomes `user-recipient=domain@host`. */
static void make_sender(struct work const *work, char const *recipient, stralloc *out)
{
    stralloc const *const sender = &work->sender;
    char const *const at = memrchr(sender->s, '@', sender->len);
    char const *const split = strrchr(recipient, '@');
    size_t const user = (size_t)(at - sender->s);
    out->len = 0;
    add(out, sender->s, user);
    add(out, recipient, (size_t)(split - recipient));
    add(out, "=", 1);
    add(out, split + 1, strlen(split + 1));
    add(out, at, sender->len - user);
}

static void die_refused(enum queue_status status, int number)
{
    problem_die(inject_client_is_permanent(status) ? PROBLEM_REFUSED : PROBLEM_TEMPORARY,
                inject_client_explain(status), number);
}

/* One copy for the recipients from FIRST to END. */
static void send_copy(struct work *work, struct inject_client *client, stralloc const *sender,
                      char const *first, char const *end)
{
    struct dsn_recipient const wish = {.notify = work->submission->notify};
    char const *bytes;
    ssize_t length;
    inject_client_begin(client, sender->s, sender->len, work->body_8bit, work->smtputf8);
    inject_client_dsn(client, &work->submission->dsn);
    for (char const *recipient = first; recipient < end; recipient += strlen(recipient) + 1) {
        inject_client_recipient(client, recipient, strlen(recipient));
        inject_client_dsn_recipient(client, &wish);
    }
    inject_client_message(client, work->compose.header.s, work->compose.header.len);
    inject_client_message(client, "\n", 1);
    while ((length = spool_read(&work->body, &bytes)) > 0)
        inject_client_message(client, bytes, (size_t)length);
    if (length < 0 || !spool_rewind(&work->body))
        problem_die(PROBLEM_TEMPORARY, "4.3.1 the message cannot be kept in TMPDIR", errno);
    enum queue_status const status = inject_client_commit(client);
    if (status != QUEUE_OK)
        die_refused(status, 0);
}

static void send_message(struct work *work)
{
    static struct inject_client client;
    stralloc sender = STRALLOC_ZERO;
    stralloc const *const recipients = &work->compose.recipients;
    char const *const end = recipients->s + recipients->len;
    errno = 0;
    if (!inject_client_open(&client, inject_client_path(work->submission->inject),
                            INJECT_CLIENT_MILLISECONDS))
        die_refused(client.status, errno);
    if (!is_per_recipient(work)) {
        send_copy(work, &client, &work->sender, recipients->s, end);
    } else {
        for (char const *at = recipients->s; at < end; at += strlen(at) + 1) {
            make_sender(work, at, &sender);
            send_copy(work, &client, &sender, at, at + strlen(at) + 1);
        }
    }
    inject_client_close(&client);
    stralloc_free(&sender);
}

static void print_bytes(char const *bytes, size_t length)
{
    if (allwrite(1, bytes, length) < length)
        problem_die(PROBLEM_TEMPORARY, "standard output cannot be written", errno);
}

static void print_message(struct work *work)
{
    char const *bytes;
    ssize_t length;
    print_bytes(work->compose.header.s, work->compose.header.len);
    print_bytes("\n", 1);
    while ((length = spool_read(&work->body, &bytes)) > 0)
        print_bytes(bytes, (size_t)length);
}

static void compose_message(struct work *work)
{
    struct submission const *const submission = work->submission;
    struct compose *const compose = &work->compose;
    bool const arguments = submission->arguments && *submission->arguments;
    compose->names = &work->names;
    if (submission->sender && *submission->sender)
        compose_envelope_address(compose, &work->sender, submission->sender);
    compose->from = submission->sender_is_from && work->sender.len ? &work->sender : NULL;
    compose->header_recipients = submission->recipients == SUBMISSION_HEADER ||
                                 submission->recipients == SUBMISSION_BOTH ||
                                 (submission->recipients == SUBMISSION_EITHER && !arguments);
    if (submission->recipients != SUBMISSION_HEADER)
        for (char const *const *at = submission->arguments; at && *at; at++)
            compose_argument(compose, *at, submission->lists);
    compose_header(compose, &work->header);
    choose_sender(work);
    stralloc const *const header = &compose->header;
    bool const header_8bit = has_8bit(header->s, header->len);
    work->body_8bit |= submission->body_8bit || header_8bit;
    /* A header of another encoding is none that SMTPUTF8 would help. */
    work->smtputf8 = compose->utf8 || (header_8bit && is_utf8(header->s, header->len));
}

void submission_run(struct submission const *submission)
{
    static struct work work;
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is a write error */
    signal(SIGXFSZ, SIG_IGN); /* so is a limit of file size */
    work.submission = submission;
    sender_names_read(&work.names, submission_control(submission->control));
    if (submission->name)
        work.names.name = *submission->name ? submission->name : NULL;
    read_message(&work);
    compose_message(&work);
    if (submission->print) {
        print_message(&work);
    } else {
        if (!work.compose.recipient_count)
            problem_die(PROBLEM_USAGE,
                        "5.5.3 no recipients: neither the command line nor the "
                        "message's header names any that counts",
                        0);
        send_message(&work);
    }
    spool_end(&work.body);
}
