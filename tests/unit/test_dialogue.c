/* The dialogue as a whole, over a socket pair, with a queue and settings of the test's own. */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "control_folder.h"
#include "smtpd/dialogue.h"
#include "smtpd/submit.h"

/* --- the queue: writes what it gets to a pipe that the test reads --- */

static int queue_output = -1;
static enum queue_status queue_answer = QUEUE_OK;
static char const *queue_text = "";
static stralloc queued = STRALLOC_ZERO;

void submit_start(struct submit *submit, struct connection const *connection)
{
    memset(submit, 0, sizeof *submit);
    submit->connection = connection;
}

bool submit_keeps_dsn(struct submit const *submit)
{
    (void)submit;
    return true;
}

void submit_prepare(struct submit *submit)
{
    assert_false(submit->open);
}

static void add(char const *bytes, size_t length)
{
    if (!stralloc_catb(&queued, bytes, length))
        abort();
}

void submit_open(struct submit *submit, bool body_8bit, bool smtputf8)
{
    queued.len = 0;
    submit->open = true;
    memcpy(submit->id, "0123456789abcdefghij", sizeof submit->id);
    add(body_8bit ? "B" : "-", 1);
    add(smtputf8 ? "U " : "- ", 2);
}

void submit_envelope(struct submit *submit, char const *bytes, size_t length)
{
    if (!submit->open || length > (64u << 10))
        abort();
    add(bytes, length);
}

void submit_message(struct submit *submit, char const *bytes, size_t length)
{
    if (!submit->open || length > (64u << 10))
        abort();
    add(bytes, length);
}

static void tell(char const *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(queue_output, bytes, length);
        if (written < 0)
            abort();
        bytes += written;
        length -= (size_t)written;
    }
}

void submit_flush(struct submit *submit)
{
    (void)submit;
}

enum queue_status submit_commit(struct submit *submit)
{
    if (!submit->open)
        abort();
    submit->open = false;
    (void)snprintf(submit->text, sizeof submit->text, "%s", queue_text);
    if (queue_answer == QUEUE_OK) {
        tell("[commit ", 8);
        tell(queued.s, queued.len);
        tell("]", 1);
    }
    return queue_answer;
}

void submit_abort(struct submit *submit)
{
    if (!submit->open)
        abort();
    submit->open = false;
    tell("[abort]", 7);
}

void submit_end(struct submit *submit)
{
    if (submit->open)
        abort();
}

/* --- a session --- */

/* Both outlive a call, so that a failed assertion can show them. */
static char replies[1 << 20], queue[1 << 20];

struct world {
    struct folder *folder;
    struct connection connection;
    int client; /* our end */
    int queue_input;
    pid_t child;
};

static volatile sig_atomic_t stop;

static void on_term(int number)
{
    (void)number;
    stop = 1;
}

static void world_start(struct world *world, void **state)
{
    *world = (struct world){.folder = *state, .connection.has_remote = true};
    ip46_from_ip4(&world->connection.remote, "\300\0\2\1"); /* 192.0.2.1 */
    ip46_from_ip4(&world->connection.local, "\300\0\2\2");
    folder_write(world->folder, "me", "mx.local.test\n");
    folder_write(world->folder, "rcpthosts", "local.test\n.sub.test\nbackup.test\nmx.local.test\n");
    folder_write(world->folder, "locals", "local.test\nmx.local.test\n");
    folder_write(world->folder, "users", "u1\nu2\npostmaster\n");
    folder_write(world->folder, "badmailfrom", "spam@bad.test\n@evil.test\n.worse.test\n");
    folder_write(world->folder, "maxerrors", "5\n");
    queue_answer = QUEUE_OK;
    queue_text = "";
}

/* The child serves one end of a socket pair; ours is world->client. */
static void world_connect(struct world *world)
{
    int client[2], output[2];
    static struct settings settings;
    sigset_t blocked, waiting;
    assert_int_equal(settings_load(&settings, &world->folder->control, &world->folder->error),
                     CONTROL_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    assert_int_equal(pipe(output), 0);
    sigemptyset(&waiting);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, 0);
    signal(SIGTERM, on_term);
    world->child = fork();
    assert_true(world->child >= 0);
    if (world->child == 0) {
        int log = openat(world->folder->control.directory, "log",
                         O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        dup2(log, 2);
        close(client[0]);
        close(output[0]);
        signal(SIGPIPE, SIG_IGN);
        queue_output = output[1];
        world->connection.input = world->connection.output = client[1];
        world->connection.settings = &settings;
        world->connection.stop = &stop;
        world->connection.waiting = &waiting;
        _exit(dialogue_run(&world->connection));
    }
    settings_free(&settings);
    close(client[1]);
    close(output[1]);
    world->client = client[0];
    world->queue_input = output[0];
}

static size_t read_all(int descriptor, char *buffer, size_t size)
{
    size_t done = 0;
    for (;;) {
        struct pollfd watched = {.fd = descriptor, .events = POLLIN, .revents = 0};
        assert_int_equal(poll(&watched, 1, 30000), 1);
        ssize_t got = read(descriptor, buffer + done, size - 1 - done);
        if (got < 0 && errno == ECONNRESET)
            got = 0;
        assert_true(got >= 0);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    buffer[done] = 0;
    return done;
}

static void put(struct world *world, char const *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = send(world->client, bytes, length, MSG_NOSIGNAL);
        if (written < 0)
            return; /* the dialogue closed: what it said counts */
        bytes += written;
        length -= (size_t)written;
    }
}

/* Reads the rest; the child must end with 0. */
static void world_end(struct world *world)
{
    int status;
    (void)read_all(world->client, replies, sizeof replies);
    (void)read_all(world->queue_input, queue, sizeof queue);
    close(world->client);
    close(world->queue_input);
    assert_int_equal(waitpid(world->child, &status, 0), world->child);
    assert_int_equal(status, 0);
}

/* A whole session at once: sends SCRIPT, half-closes, and collects `replies` and `queue`. */
static void converse_bytes(struct world *world, char const *script, size_t length)
{
    world_connect(world);
    put(world, script, length);
    shutdown(world->client, SHUT_WR);
    world_end(world);
}

static void converse(struct world *world, char const *script)
{
    converse_bytes(world, script, strlen(script));
}

/* The numbers of all replies (of the last lines), separated by blanks. */
static char const *numbers(void)
{
    static char text[1 << 16];
    size_t length = 0;
    for (char const *line = replies; *line;) {
        char const *end = strstr(line, "\r\n");
        assert_non_null(end);
        assert_true(end - line >= 4 && end - line <= 510);
        for (char const *here = line; here < end; here++)
            assert_true(*here >= 0x20 && *here < 0x7f);
        if (line[3] == ' ') {
            memcpy(text + length, line, 3);
            length += 3;
            text[length++] = ' ';
        }
        line = end + 2;
    }
    text[length ? length - 1 : 0] = 0;
    return text;
}

#define HELLO "EHLO client.test\r\n"
#define MAIL  "MAIL FROM:<s@other.test>\r\n"
#define RCPT  "RCPT TO:<u1@local.test>\r\n"

#define HUNDRED                                                                                    \
    "12345678901234567890123456789012345678901234567890"                                           \
    "12345678901234567890123456789012345678901234567890"

/* What the queue got, each message without envelope and Received field. */
static void summarize(char summary[static 1000])
{
    char const *here = queue;
    size_t length = 0;
    while (*here) {
        char const *const from = here;
        here += strcspn(here, " ]");
        memcpy(summary + length, from, (size_t)(here - from));
        length += (size_t)(here - from);
        if (*here == ' ') {
            while (memcmp(here, "+0000\n", 6) != 0)
                here++;
            here += strlen("+0000");
            size_t const rest = strcspn(here, "]");
            memcpy(summary + length, here, rest);
            length += rest;
            here += rest;
        }
        summary[length++] = *here++;
    }
    summary[length] = 0;
}

static bool log_holds(struct world *world, char const *part)
{
    char text[1 << 16];
    int log = openat(world->folder->control.directory, "log", O_RDONLY | O_CLOEXEC);
    assert_true(log >= 0);
    (void)read_all(log, text, sizeof text);
    close(log);
    return strstr(text, part) != 0;
}

static void test_one_message(void **state)
{
    struct world world;
    world_start(&world, state);
    converse(&world, HELLO MAIL RCPT "DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n");
    assert_string_equal(numbers(), "220 250 250 250 354 250 221");
    assert_non_null(strstr(replies, "250 2.0.0 ok, queued as 0123456789abcdefghij\r\n"));
    char const *start = "[commit -- Fs@other.test";
    assert_memory_equal(queue, start, strlen(start) + 1);
    char const *recipient = queue + strlen(start) + 1;
    assert_string_equal(recipient, "Tu1@local.test");
    recipient += strlen(recipient) + 1;
    assert_int_equal(*recipient, 0); /* the envelope's end */
    char const *received =
        "Received: from client.test ([192.0.2.1])\n by mx.local.test with ESMTP id "
        "0123456789abcdefghij\n for <u1@local.test>;\n ";
    assert_memory_equal(recipient + 1, received, strlen(received));
    assert_string_equal(strstr(recipient + 1, "+0000\n"), "+0000\nSubject: x\n\n.dot\n]");
    assert_true(log_holds(&world, "event=accepted id=0123456789abcdefghij client=192.0.2.1"));
    assert_false(log_holds(&world, "event=disconnect"));
}

static void test_half_closed_after_the_end(void **state)
{
    struct world world;
    world_start(&world, state);
    converse(&world, HELLO MAIL RCPT "DATA\r\nx\r\n.\r\n");
    assert_string_equal(numbers(), "220 250 250 250 354 250");
    assert_memory_equal(queue, "[commit", 7);
}

static void test_cut_before_the_end(void **state)
{
    static char const *const tails[] = {"", "\r", "\r\n", "\r\n.", "\r\n.\r"};
    struct world world;
    world_start(&world, state);
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        char script[256];
        snprintf(script, sizeof script, "%s%s", HELLO MAIL RCPT "DATA\r\nbody", tails[i]);
        converse(&world, script);
        assert_string_equal(numbers(), "220 250 250 250 354");
        assert_string_equal(queue, "[abort]");
    }
    assert_true(log_holds(&world, "event=disconnect client=192.0.2.1"));
}

static void test_the_queue_refuses(void **state)
{
    static struct {
        enum queue_status status;
        char const *text, *reply;
    } const rows[] = {
        {QUEUE_ADDRESS_TOO_LONG, "", "554 5.1.3 "},
        {QUEUE_REFUSED, "", "554 5.7.1 "},
        {QUEUE_NO_MEMORY, "", "451 4.3.0 "},
        {QUEUE_WRITE, "", "452 4.3.1 "},
        {QUEUE_FOLDER, "", "451 4.3.0 "},
        {QUEUE_BUG, "", "451 4.3.0 "},
        {QUEUE_ENVELOPE, "", "451 4.3.0 "},
        {(enum queue_status)35, "", "554 5.3.0 "},
        {(enum queue_status)120, "", "451 4.3.0 "},
        {QUEUE_CUSTOM, "Dno \r\n250 ok", "554 5.7.1 no ??250 ok"},
        {QUEUE_CUSTOM, "Zlater", "451 4.3.0 later"},
        {QUEUE_CUSTOM, "", "451 4.3.0 "},
    };
    struct world world;
    world_start(&world, state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        queue_answer = rows[i].status;
        queue_text = rows[i].text;
        converse(&world, HELLO MAIL RCPT "DATA\r\nx\r\n.\r\nNOOP\r\n");
        char const *reply = strstr(replies, "\r\n354 ");
        assert_non_null(reply);
        reply = strstr(reply + 2, "\r\n") + 2;
        assert_memory_equal(reply, rows[i].reply, strlen(rows[i].reply));
        assert_string_equal(strstr(reply, "\r\n"), "\r\n250 2.0.0 ok\r\n");
    }
}

static void test_a_stop_at_a_command(void **state)
{
    struct world world;
    char greeting[4];
    world_start(&world, state);
    world_connect(&world);
    assert_int_equal(recv(world.client, greeting, 4, MSG_WAITALL), 4);
    kill(world.child, SIGTERM);
    world_end(&world);
    assert_non_null(strstr(replies, "\r\n421 4.3.2 "));
    assert_true(log_holds(&world, "reason=stopped"));
}

static void test_a_stop_in_the_midst_of_data(void **state)
{
    struct world world;
    static char const script[] = HELLO MAIL RCPT "DATA\r\nbody\r\n";
    char byte, last[5] = "";
    world_start(&world, state);
    world_connect(&world);
    put(&world, script, sizeof script - 1);
    while (strcmp(last, "354 ")) { /* the dialogue has come to the message */
        assert_int_equal(read(world.client, &byte, 1), 1);
        memmove(last, last + 1, 3);
        last[3] = byte;
    }
    kill(world.child, SIGTERM);
    world_end(&world);
    assert_string_equal(queue, "[abort]");
}

static void test_timeouts(void **state)
{
    struct world world;
    world_start(&world, state);
    folder_write(world.folder, "timeoutsmtpd", "1\n");
    world_connect(&world);
    put(&world, "NO", 2);
    world_end(&world);
    assert_string_equal(numbers(), "220 421");
    assert_true(log_holds(&world, "reason=timeout"));
    folder_write(world.folder, "timeoutsmtpd", "300\n");
    folder_write(world.folder, "timeoutsession", "3\n");
    world_connect(&world);
    put(&world, HELLO MAIL RCPT "DATA\r\nx", strlen(HELLO MAIL RCPT "DATA\r\nx"));
    world_end(&world);
    assert_string_equal(numbers(), "220 250 250 250 354 421");
    assert_string_equal(queue, "[abort]");
    assert_true(log_holds(&world, "reason=session-timeout"));
}

static void test_too_many_errors(void **state)
{
    struct world world;
    world_start(&world, state);
    converse(&world, "A\r\nB\r\nC\r\nD\r\nE\r\nNOOP\r\nF\r\nNOOP\r\n");
    assert_string_equal(numbers(), "220 500 500 500 500 500 250 421");
    assert_true(log_holds(&world, "reason=too-many-errors"));
}

static void test_many_idle_commands(void **state)
{
    struct world world;
    char script[6 * 101 + 1];
    world_start(&world, state);
    for (size_t i = 0; i < 101; i++)
        memcpy(script + 6 * i, "NOOP\r\n", 6);
    converse_bytes(&world, script, 6 * 100);
    assert_null(strstr(replies, "421"));
    converse_bytes(&world, script, 6 * 101);
    assert_non_null(strstr(replies, "421 4.7.0"));
    assert_true(log_holds(&world, "reason=idle-commands"));
}

static void test_refused_connections(void **state)
{
    struct world world;
    world_start(&world, state);
    world.connection.refusal = CONNECTION_TOO_MANY;
    converse(&world, HELLO);
    assert_memory_equal(replies, "421 4.3.2 ", 10);
    assert_string_equal(numbers(), "421");
    world.connection.refusal = CONNECTION_TOO_MANY_FROM_HERE;
    converse(&world, HELLO);
    assert_memory_equal(replies, "421 4.7.0 ", 10);
    world.connection.refusal = CONNECTION_WELCOME;
    folder_write(world.folder, "badclients", "192.0.2.0/24\n");
    converse(&world, HELLO MAIL "QUIT\r\n");
    assert_memory_equal(replies, "554 5.7.1 ", 10);
    assert_string_equal(numbers(), "554 503 503 221");
    assert_true(log_holds(&world, "rule=badclients"));
}

/* RCPT after RCPT: what each is answered. */
static void check_recipients(struct world *world, char const *const rows[][2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char script[700];
        snprintf(script, sizeof script, HELLO MAIL "RCPT TO:%s\r\nQUIT\r\n", rows[i][0]);
        converse(world, script);
        char const *reply = strstr(replies, "\r\n250 2.1.0 ");
        assert_non_null(reply);
        reply = strstr(reply + 2, "\r\n") + 2;
        if (strncmp(reply, rows[i][1], strlen(rows[i][1])) != 0)
            fail_msg("%s: %.60s, not %s", rows[i][0], reply, rows[i][1]);
    }
}

static void test_recipients_from_outside(void **state)
{
    static char const *const rows[][2] = {
        {"<u1@local.test>", "250 2.1.5"},
        {"<U1@LOCAL.Test>", "250 2.1.5"},
        {"<u1-ext@local.test>", "250 2.1.5"},
        {"<nobody@local.test>", "550 5.1.1"},
        {"<any@backup.test>", "250 2.1.5"},
        {"<any@a.sub.test>", "250 2.1.5"},
        {"<any@sub.test>", "550 5.7.1"},
        {"<x@other.test>", "550 5.7.1"},
        {"<x%other.test@local.test>", "550 5.1.1"},
        {"<x@other.test@local.test>", "501 5.1.3"},
        {"<\"x@other.test\"@local.test>", "550 5.1.1"},
        {"<\"x@other.test\">", "553 5.1.3"},
        {"<@local.test:x@other.test>", "550 5.7.1"},
        {"<@other.test:u1@local.test>", "250 2.1.5"},
        {"<other.test!x@local.test>", "550 5.1.1"},
        {"<other.test!x>", "553 5.1.3"},
        {"<u1@[192.0.2.2]>", "250 2.1.5"},
        {"<u1@[IPv6:::ffff:192.0.2.2]>", "250 2.1.5"},
        {"<nobody@[192.0.2.2]>", "550 5.1.1"},
        {"<u1@[192.0.2.3]>", "550 5.7.1"},
        {"<postmaster>", "250 2.1.5"},
        {"<PostMaster>", "250 2.1.5"},
        {"<postmasterx>", "553 5.1.3"},
        {"<u1>", "553 5.1.3"},
        {"<>", "553 5.1.3"},
        {"<u1@local.test> NOTIFY=NEVER,DELAY", "501 5.5.4"},
    };
    struct world world;
    world_start(&world, state);
    check_recipients(&world, rows, sizeof rows / sizeof *rows);
}

static void test_recipients_of_relay_clients(void **state)
{
    static char const *const rows[][2] = {
        {"<x@other.test>", "250 2.1.5"},
        {"<x@[203.0.113.9]>", "250 2.1.5"},
        {"<nobody@local.test>", "550 5.1.1"},
        {"<u1>", "553 5.1.3"},
    };
    static char const *const suffixed[][2] = {{"<nobody@local.test>", "250 2.1.5"},
                                              {"<x@other.test>", "250 2.1.5"}};
    struct world world;
    world_start(&world, state);
    folder_write(world.folder, "relayclients", "192.0.2.1\n");
    check_recipients(&world, rows, sizeof rows / sizeof *rows);
    folder_write(world.folder, "relayclients", "!192.0.2.1\n192.0.2.0/24\n");
    check_recipients(&world, (char const *const[][2]){{"<x@other.test>", "550 5.7.1"}}, 1);
    world.connection.has_remote = false; /* no address: never a relay client by address */
    folder_write(world.folder, "relayclients", "192.0.2.1\n127.0.0.1\n");
    ip46_from_ip4(&world.connection.remote, "\177\0\0\1");
    check_recipients(&world, (char const *const[][2]){{"<x@other.test>", "550 5.7.1"}}, 1);
    world.connection.relayclient = true;
    check_recipients(&world, rows, sizeof rows / sizeof *rows);
    snprintf(world.connection.relay_suffix, sizeof world.connection.relay_suffix, ".relay.test");
    check_recipients(&world, suffixed, sizeof suffixed / sizeof *suffixed);
    converse(&world, HELLO MAIL "RCPT TO:<x@other.test>\r\nDATA\r\n.\r\n");
    assert_string_equal(queue + strlen("[commit -- Fs@other.test") + 1, "Tx@other.test.relay.test");
}

static void test_an_empty_configuration_relays_nothing(void **state)
{
    struct world world;
    world_start(&world, state);
    unlinkat(world.folder->control.directory, "rcpthosts", 0);
    check_recipients(&world,
                     (char const *const[][2]){{"<x@other.test>", "550 5.7.1"},
                                              {"<u1@local.test>", "550 5.7.1"},
                                              {"<postmaster>", "250 2.1.5"}},
                     3);
}

static void test_senders(void **state)
{
    static char const *const rows[][2] = {
        {"<>", "250 2.1.0"},
        {"<a@good.test>", "250 2.1.0"},
        {"<Spam@BAD.test>", "553 5.7.1"},
        {"<ham@bad.test>", "250 2.1.0"},
        {"<a@Evil.test>", "553 5.7.1"},
        {"<a@x.evil.test>", "250 2.1.0"},
        {"<a@x.worse.test>", "553 5.7.1"},
        {"<a@y.x.worse.test>", "553 5.7.1"},
        {"<a@worse.test>", "250 2.1.0"},
        {"<u1>", "553 5.1.8"},
        {"<a@good.test> SIZE=99999999999999999999", "552 5.3.4"},
        {"<\303\244@good.test>", "553 5.6.7"},
        {"<\303\244@good.test> SMTPUTF8", "250 2.1.0"},
    };
    struct world world;
    world_start(&world, state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[700];
        snprintf(script, sizeof script, HELLO "MAIL FROM:%s\r\nQUIT\r\n", rows[i][0]);
        converse(&world, script);
        char const *reply = strstr(replies, "\r\n250 SMTPUTF8\r\n");
        assert_non_null(reply);
        reply += strlen("\r\n250 SMTPUTF8\r\n");
        if (strncmp(reply, rows[i][1], strlen(rows[i][1])) != 0)
            fail_msg("%s: %.60s, not %s", rows[i][0], reply, rows[i][1]);
    }
}

static void test_parameters_belong_to_ehlo(void **state)
{
    struct world world;
    world_start(&world, state);
    converse(&world, "HELO x\r\nMAIL FROM:<a@b.test> SIZE=1\r\nMAIL FROM:<a@b.test>\r\n" RCPT
                     "DATA\r\n.\r\n");
    assert_string_equal(numbers(), "220 250 555 250 250 354 250");
    assert_non_null(strstr(queue + 50, " with SMTP id "));
}

static void test_flags_reach_the_queue(void **state)
{
    struct world world;
    world_start(&world, state);
    converse(&world, HELLO "MAIL FROM:<\303\244@b.test> BODY=8BITMIME SMTPUTF8\r\n" RCPT RCPT
                           "DATA\r\n.\r\n");
    assert_memory_equal(queue, "[commit BU F\303\244@b.test", strlen("[commit BU Fxx@b.test"));
    size_t head = strlen("[commit BU Fxx@b.test") + 1 + 2 * sizeof "Tu1@local.test" + 1;
    assert_non_null(strstr(queue + head, "with UTF8SMTP id"));
    assert_null(strstr(queue + head, " for <")); /* two recipients: none is told of the other */
}

static void test_a_large_message(void **state)
{
    struct world world;
    static char script[400000];
    size_t length = 0, lines = 0;
    world_start(&world, state);
    length += (size_t)snprintf(script, sizeof script, "%s", HELLO MAIL RCPT "DATA\r\n");
    for (; length < sizeof script - 100; lines++)
        length += (size_t)snprintf(script + length, 100, "..%060zu\r\n", lines);
    memcpy(script + length, ".\r\nQUIT\r\n", 9);
    world_connect(&world);
    if (fork() == 0) { /* the queue's pipe holds less than the message */
        put(&world, script, length + 9);
        _exit(0);
    }
    static char wanted[sizeof queue]; /* world_end reads again, and finds nothing more */
    size_t read_length = read_all(world.queue_input, wanted, sizeof wanted);
    world_end(&world);
    assert_string_equal(numbers(), "220 250 250 250 354 250 221");
    wait(0);
    size_t size = lines * 62; /* a dot, 60 digits, LF */
    char const *message = wanted + read_length - 1 - size;
    for (size_t i = 0; i < lines; i++) {
        char line[63];
        snprintf(line, sizeof line, ".%060zu\n", i);
        assert_memory_equal(message + 62 * i, line, 62);
    }
}

static void test_too_large(void **state)
{
    struct world world;
    world_start(&world, state);
    folder_write(world.folder, "databytes", "10\n");
    converse(&world, HELLO MAIL RCPT "DATA\r\n12345678\r\n.\r\n");
    assert_string_equal(numbers(), "220 250 250 250 354 250");
    converse(&world, HELLO MAIL RCPT "DATA\r\n123456789\r\n.\r\nNOOP\r\n");
    assert_string_equal(numbers(), "220 250 250 250 354 552 250");
    assert_string_equal(queue, "[abort]");
    converse(&world, HELLO "MAIL FROM:<a@b.test> SIZE=11\r\nMAIL FROM:<a@b.test> SIZE=10\r\n");
    assert_string_equal(numbers(), "220 250 552 250");
}

static void test_two_in_one_session(void **state)
{
    struct world world;
    world_start(&world, state);
    converse(&world, HELLO MAIL RCPT "DATA\r\na\nb\r\n.\r\n" MAIL RCPT "DATA\r\nx\r\n.\r\n");
    assert_string_equal(numbers(), "220 250 250 250 354 554 250 250 354 250");
    assert_memory_equal(queue, "[abort][commit", 14);
}

/* Chunks with whatever stands around them; what QUEUED says came of it. */
static void test_chunks(void **state)
{
    static struct {
        char const *script, *numbers, *queue;
    } const rows[] = {
        {MAIL RCPT "BDAT 4 LAST\r\nab\r\nNOOP\r\n", "250 250 250 250", "[commit\nab\n]"},
        {MAIL RCPT "BDAT 3\r\nab\rBDAT 1\r\n\nBDAT 0 LAST\r\n", "250 250 250 250 250",
         "[commit\nab\n]"},
        {MAIL RCPT "BDAT 0 LAST\r\n", "250 250 250", "[commit\n]"},
        {MAIL RCPT "BDAT 2 LAST\r\nab", "250 250 250", "[commit\nab\n]"},
        {MAIL RCPT "BDAT 16 LAST\r\n.\r\na\r\n.\r\n..\r\nb\r\n", "250 250 250",
         "[commit\n.\na\n.\n..\nb\n]"},
        {MAIL RCPT "BDAT 3 LAST\r\na\r\n" MAIL RCPT "DATA\r\n.\r\n", "250 250 250 250 250 354 250",
         "[commit\na\n][commit\n]"},
        /* unsound, at a chunk, at the last one, and what comes behind */
        {MAIL RCPT "BDAT 5 LAST\r\na\nb\r\nNOOP\r\n", "250 250 554 250", "[abort]"},
        {MAIL RCPT "BDAT 2 LAST\r\na\rNOOP\r\n", "250 250 554 250", "[abort]"},
        {MAIL RCPT "BDAT 2\r\na\rBDAT 2\r\nb\nBDAT 3 LAST\r\nc\r\nNOOP\r\n",
         "250 250 250 554 503 250", "[abort]"},
        {MAIL RCPT "BDAT 1\r\n\nBDAT 6\r\nNOOP\r\nRSET\r\n" MAIL RCPT "BDAT 1 LAST\r\nx",
         "250 250 554 503 250 250 250 250", "[abort][commit\nx\n]"},
        {MAIL RCPT "BDAT 1\r\n\nDATA\r\n" RCPT MAIL, "250 250 554 503 503 503", "[abort]"},
        /* out of order */
        {"BDAT 6\r\nNOOP\r\nNOOP\r\n", "503 250", ""},
        {MAIL "BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n", "250 503 250", ""},
        {MAIL "RCPT TO:<x@other.test>\r\nBDAT 6 LAST\r\nNOOP\r\nNOOP\r\n", "250 550 554 250", ""},
        {MAIL RCPT "BDAT 1\r\naDATA\r\n" RCPT MAIL "BDAT 1 LAST\r\nb",
         "250 250 250 503 503 503 250", "[commit\nab\n]"},
        {MAIL RCPT "BDAT 1 LAST\r\naBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250 250 250 503 250",
         "[commit\na\n]"},
        {MAIL RCPT "BDAT 1\r\naRSET\r\nBDAT 1 LAST\r\nb", "250 250 250 250 503", "[abort]"},
        {MAIL RCPT "BDAT 1\r\na" HELLO "BDAT 1 LAST\r\nb", "250 250 250 250 503", "[abort]"},
        {MAIL RCPT "BDAT 1\r\naNOOP\r\nVRFY x\r\nBDAT 1 LAST\r\nb", "250 250 250 250 252 250",
         "[commit\nab\n]"},
        /* the client is gone */
        {MAIL RCPT "BDAT 9 LAST\r\nab\r\n", "250 250", "[abort]"},
        {MAIL RCPT "BDAT 3\r\nab\n", "250 250 554", "[abort]"},
        {MAIL RCPT "BDAT 4\r\nab\r\n", "250 250 250", "[abort]"},
        {MAIL RCPT "BDAT 4\r\nab\r\nQUIT\r\n", "250 250 250 221", "[abort]"},
        /* over databytes, which is 100 */
        {MAIL RCPT "BDAT 101 LAST\r\n" HUNDRED "xNOOP\r\n", "250 250 552 250", "[abort]"},
        {MAIL RCPT "BDAT 100\r\n" HUNDRED "BDAT 6\r\nNOOP\r\nBDAT 6 LAST\r\nNOOP\r\nNOOP\r\n",
         "250 250 250 552 503 250", "[abort]"},
        {MAIL RCPT "BDAT 100 LAST\r\n" HUNDRED "NOOP\r\n", "250 250 552 250", "[abort]"},
        /* of unknown size: nothing behind it is a command */
        {MAIL RCPT "BDAT -1\r\nNOOP\r\n", "250 250 501", ""},
        {MAIL RCPT "BDAT 18446744073709551616\r\nNOOP\r\n", "250 250 501", ""},
        {MAIL RCPT "BDAT 1\r\naBDAT 0x10 LAST\r\nNOOP\r\n", "250 250 250 501", "[abort]"},
        {MAIL RCPT "BDAT 6 FIRST\r\nNOOP\r\n", "250 250 501", ""},
        {"BDAT\r\nNOOP\r\n", "501", ""},
        {"BDAT 6\nNOOP\r\nNOOP\r\n", "500", ""},
        {"BDAT 6\r NOOP\r\nNOOP\r\n", "500", ""},
    };
    struct world world;
    world_start(&world, state);
    folder_write(world.folder, "databytes", "100\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1000], summary[1000];
        snprintf(script, sizeof script, HELLO "%s", rows[i].script);
        converse(&world, script);
        summarize(summary);
        if (strcmp(numbers() + strlen("220 250 "), rows[i].numbers) != 0 ||
            strcmp(summary, rows[i].queue) != 0)
            fail_msg("%s: %s, %s", rows[i].script, numbers(), summary);
    }
    converse(&world, "HELO x\r\n" MAIL RCPT "BDAT 6 LAST\r\nNOOP\r\nQUIT\r\n");
    assert_string_equal(numbers(), "220 250 250 250 503 221");
}

static void test_chunks_are_bounded(void **state)
{
    struct world world;
    static char script[200000];
    size_t length = 0;
    world_start(&world, state);
    /* many of one octet are well; many that bring nothing are not */
    length += (size_t)snprintf(script, sizeof script, HELLO MAIL RCPT);
    for (size_t i = 0; i < 5000; i++)
        length += (size_t)snprintf(script + length, 100, "BDAT 1\r\nx");
    snprintf(script + length, 100, "BDAT 2 LAST\r\n\r\nQUIT\r\n");
    converse(&world, script);
    assert_memory_equal(queue, "[commit", 7);
    length = (size_t)snprintf(script, sizeof script, HELLO MAIL RCPT);
    for (size_t i = 0; i < 102; i++)
        length += (size_t)snprintf(script + length, 100, "BDAT 0\r\n");
    converse(&world, script);
    assert_non_null(strstr(replies, "\r\n421 4.7.0 "));
    assert_string_equal(queue, "[abort]");
}

static void test_what_is_not_logged(void **state)
{
    struct world world;
    world_start(&world, state);
    converse(&world, HELLO "AUTH PLAIN c2VjcmV0\r\nc2VjcmV0\r\n" MAIL "RCPT TO:<\033[2J\r\n");
    assert_false(log_holds(&world, "c2VjcmV0"));
    assert_true(log_holds(&world, "\\x1b[2J"));
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_one_message, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_half_closed_after_the_end, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_cut_before_the_end, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_the_queue_refuses, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_a_stop_at_a_command, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_a_stop_in_the_midst_of_data, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_timeouts, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_too_many_errors, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_many_idle_commands, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_refused_connections, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_recipients_from_outside, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_recipients_of_relay_clients, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_an_empty_configuration_relays_nothing, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_senders, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_parameters_belong_to_ehlo, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_flags_reach_the_queue, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_a_large_message, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_too_large, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_two_in_one_session, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_chunks, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_chunks_are_bounded, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_what_is_not_logged, folder_make, folder_remove),
    };
    return cmocka_run_group_tests_name("dialogue", tests, 0, 0);
}
