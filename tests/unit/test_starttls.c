/* TLS in the dialogue, with an engine of the test's own, whose cipher is an exclusive or: so clear
 * words where none may be are seen, and each way to fail can be had at will. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "control_folder.h"
#include "lib/packet.h"
#include "smtpd/dialogue.h"
#include "tls/tls_request.h"

#define KEY       0x55
#define HANDSHAKE '!' /* what a client of ours says first, as it is */

enum engine {
    GOOD,
    LATE,      /* is ready once the client has said something */
    REFUSES,   /* F at once */
    GONE,      /* takes the request and dies */
    NONSENSE,  /* answers what is no answer */
    SILENT,    /* takes the request and says nothing */
    ABSENT,    /* nobody reads requests */
    FAILS,     /* R, then F */
    DIES,      /* R, then dies */
    HANGS,     /* R, then nothing; holds the connection */
    DIES_LATER /* after the first bytes that it carried */
};

struct world {
    struct folder *folder;
    struct connection connection;
    int client;
    int taken; /* a byte comes when the engine has its request */
    pid_t child, engine;
};

static char replies[1 << 16];
static volatile sig_atomic_t stop;

static void on_term(int number)
{
    (void)number;
    stop = 1;
}

/* Of timeouttls: short where it is waited for. */
static unsigned int seconds(enum engine kind)
{
    return kind == SILENT || kind == ABSENT || kind == HANGS ? 1 : 60;
}

/* --- the engine --- */

static void say(int answers, struct tls_answer const *answer)
{
    char bytes[TLS_REQUEST_MAX];
    struct iovec const piece = {.iov_base = bytes, .iov_len = tls_answer_format(bytes, answer)};
    (void)packet_send(answers, &piece, 1, NULL, 0);
}

static bool carry(int from, int to)
{
    char bytes[4096];
    ssize_t const got = read(from, bytes, sizeof bytes);
    for (ssize_t i = 0; i < got; i++)
        bytes[i] ^= KEY;
    return got > 0 && write(to, bytes, (size_t)got) == got;
}

static void pump(int in, int out, int plain_in, int plain_out, bool dies)
{
    for (bool first = true;; first = false) {
        struct pollfd polls[2] = {{.fd = in, .events = POLLIN}, {.fd = plain_in, .events = POLLIN}};
        if (poll(polls, 2, -1) < 0)
            return;
        if (polls[0].revents && !carry(in, plain_out))
            return;
        if (polls[1].revents && !carry(plain_in, out))
            return;
        if (dies && !first)
            return;
    }
}

static bool shake_hands(int in)
{
    char byte = 0;
    return read(in, &byte, 1) == 1 && byte == HANDSHAKE;
}

_Noreturn static void serve_request(enum engine kind, int fds[TLS_REQUEST_DESCRIPTORS])
{
    struct tls_answer ready = {.kind = TLS_READY};
    struct tls_answer refusal = {.kind = TLS_FAILED, .reason = "the stub refuses"};
    struct tls_answer done = {.kind = TLS_HANDSHAKE,
                              .version = "TLSv1.2",
                              .suite = "STUB-XOR",
                              .name = "mail.local.test"};
    struct pollfd watched = {.fd = fds[0], .events = POLLIN};
    char letter = 0;
    if (kind == REFUSES || kind == NONSENSE)
        say(fds[3], kind == REFUSES ? &refusal : &done);
    if (kind == SILENT)
        pause();
    if (kind == REFUSES || kind == NONSENSE || kind == GONE ||
        (kind == LATE && poll(&watched, 1, 30000) != 1))
        _exit(0);
    say(fds[3], &ready);
    /* Without `G` the connection is not touched. */
    if (packet_receive(fds[3], &letter, 1, NULL, NULL) != 1 || letter != 'G' || kind == DIES)
        _exit(0);
    if (kind == HANGS)
        pause();
    if (kind == FAILS || !shake_hands(fds[0])) {
        say(fds[3], &refusal);
        _exit(0);
    }
    say(fds[3], &done);
    pump(fds[0], fds[1], fds[2], fds[2], kind == DIES_LATER);
    _exit(0);
}

_Noreturn static void run_engine(enum engine kind, int requests, int taken)
{
    char bytes[TLS_REQUEST_MAX];
    struct tls_request request;
    int fds[TLS_REQUEST_DESCRIPTORS];
    unsigned int count = TLS_REQUEST_DESCRIPTORS;
    if (kind == ABSENT)
        pause();
    ssize_t const length = packet_receive(requests, bytes, sizeof bytes, fds, &count);
    close(requests);
    if (length <= 0 || count != TLS_REQUEST_DESCRIPTORS ||
        !tls_request_parse(&request, bytes, (size_t)length) || request.role != TLS_SERVER ||
        request.seconds != seconds(kind))
        _exit(length <= 0 ? 0 : 1);
    if (write(taken, "", 1) != 1)
        _exit(1);
    serve_request(kind, fds);
}

/* --- a session --- */

static void world_start(struct world *world, void **state)
{
    *world = (struct world){.folder = *state, .connection.has_remote = true, .engine = -1};
    ip46_from_ip4(&world->connection.remote, "\300\0\2\1"); /* 192.0.2.1 */
    ip46_from_ip4(&world->connection.local, "\300\0\2\2");
    folder_write(world->folder, "me", "mx.local.test\n");
    folder_write(world->folder, "rcpthosts", "local.test\n");
    folder_write(world->folder, "locals", "local.test\n");
    folder_write(world->folder, "users", "u1\n");
}

static struct settings settings;

static void load(struct world *world)
{
    assert_int_equal(settings_load(&settings, &world->folder->control, &world->folder->error),
                     CONTROL_OK);
    world->connection.settings = &settings;
}

/* Forks the dialogue, which has CLIENT as its connection. */
static void fork_dialogue(struct world *world, int const client[2])
{
    sigset_t waiting, blocked;
    sigemptyset(&waiting);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, 0);
    signal(SIGTERM, on_term);
    world->child = fork();
    assert_true(world->child >= 0);
    if (world->child == 0) {
        int const log = openat(world->folder->control.directory, "log",
                               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        dup2(log, 2);
        close(client[0]);
        signal(SIGPIPE, SIG_IGN);
        world->connection.input = world->connection.output = client[1];
        world->connection.stop = &stop;
        world->connection.waiting = &waiting;
        _exit(dialogue_run(&world->connection));
    }
    settings_free(&settings);
    close(client[1]);
    world->client = client[0];
}

static void world_connect(struct world *world, enum engine kind)
{
    int client[2], requests[2], taken[2];
    load(world);
    settings.tls = true;
    settings.timeouttls = seconds(kind);
    assert_int_equal(pipe(taken), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    assert_true(packet_pair(requests));
    world->engine = fork();
    assert_true(world->engine >= 0);
    if (world->engine == 0) {
        close(client[0]);
        close(client[1]);
        close(requests[1]);
        signal(SIGPIPE, SIG_IGN);
        run_engine(kind, requests[0], taken[1]);
    }
    close(requests[0]);
    close(taken[1]);
    world->taken = taken[0];
    world->connection.tls_requests = requests[1];
    fork_dialogue(world, client);
    close(requests[1]);
}

/* Reads until LINES lines came, or all to the end with 0. */
static char *hear(struct world *world, int lines, int key)
{
    size_t done = 0;
    replies[0] = 0;
    while (done < sizeof replies - 1) {
        struct pollfd watched = {.fd = world->client, .events = POLLIN};
        assert_int_equal(poll(&watched, 1, 60000), 1);
        ssize_t got = read(world->client, replies + done, lines ? 1 : sizeof replies - 1 - done);
        if (got < 0 && errno == ECONNRESET)
            got = 0;
        assert_true(got >= 0);
        if (got == 0)
            break;
        for (ssize_t i = 0; i < got; i++)
            replies[done + (size_t)i] = (char)(replies[done + (size_t)i] ^ key);
        done += (size_t)got;
        if (lines && replies[done - 1] == '\n' && --lines == 0)
            break;
    }
    replies[done] = 0;
    return replies;
}

static void tell(struct world *world, char const *text, int key)
{
    char bytes[4096];
    size_t const length = strlen(text);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(text[i] ^ key);
    /* When the dialogue has closed already, what it said counts. */
    if (send(world->client, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
        assert_true(errno == EPIPE || errno == ECONNRESET);
}

/* Nothing more is said, in the clear or otherwise; all end well. */
static void world_end(struct world *world, char const *rest, int key)
{
    int status;
    assert_string_equal(hear(world, 0, key), rest);
    close(world->client);
    if (world->taken > 0)
        close(world->taken);
    world->taken = 0;
    assert_int_equal(waitpid(world->child, &status, 0), world->child);
    assert_int_equal(status, 0);
    if (world->engine < 0)
        return;
    kill(world->engine, SIGKILL); /* those that hang */
    assert_int_equal(waitpid(world->engine, &status, 0), world->engine);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
}

static bool log_holds(struct world *world, char const *part)
{
    static char text[1 << 16];
    int const log = openat(world->folder->control.directory, "log", O_RDONLY | O_CLOEXEC);
    assert_true(log >= 0);
    ssize_t const length = read(log, text, sizeof text - 1);
    close(log);
    assert_true(length >= 0);
    text[length] = 0;
    return strstr(text, part) != 0;
}

static void expect(char const *line, char const *start)
{
    assert_memory_equal(line, start, strlen(start));
}

#define OFFERED                                                                                    \
    "250-mx.local.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n" \
    "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-SMTPUTF8\r\n250 STARTTLS\r\n"
#define ENCRYPTED                                                                                  \
    "250-mx.local.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n" \
    "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 SMTPUTF8\r\n"

static void greet(struct world *world)
{
    expect(hear(world, 1, 0), "220 ");
    tell(world, "EHLO clear.test\r\n", 0);
    assert_string_equal(hear(world, 9, 0), OFFERED);
}

static void encrypt(struct world *world)
{
    greet(world);
    tell(world, "STARTTLS\r\n", 0);
    expect(hear(world, 1, 0), "220 2.0.0 ");
    tell(world, (char const[]){HANDSHAKE, 0}, 0);
}

static void test_nothing_is_remembered(void **state)
{
    static char const *const forgotten[] = {"RCPT TO:<u1@local.test>\r\n", "DATA\r\n",
                                            "MAIL FROM:<s@other.test>\r\n"};
    struct world world;
    world_start(&world, state);
    world_connect(&world, GOOD);
    greet(&world);
    tell(&world, "MAIL FROM:<s@other.test> SMTPUTF8\r\n", 0);
    expect(hear(&world, 1, 0), "250 ");
    tell(&world, "STARTTLS now\r\n", 0);
    expect(hear(&world, 1, 0), "501 5.5.4 ");
    tell(&world, "STARTTLS\r\n", 0);
    expect(hear(&world, 1, 0), "220 2.0.0 ");
    tell(&world, (char const[]){HANDSHAKE, 0}, 0);
    for (size_t i = 0; i < sizeof forgotten / sizeof *forgotten; i++) {
        tell(&world, forgotten[i], KEY);
        expect(hear(&world, 1, KEY), "503 5.5.1 ");
    }
    tell(&world, "EHLO inside.test\r\n", KEY);
    assert_string_equal(hear(&world, 8, KEY), ENCRYPTED);
    tell(&world, "STARTTLS\r\n", KEY);
    expect(hear(&world, 1, KEY), "503 5.5.1 ");
    tell(&world, "MAIL FROM:<s@other.test>\r\n", KEY);
    expect(hear(&world, 1, KEY), "250 ");
    tell(&world, "QUIT\r\n", KEY);
    world_end(&world, "221 2.0.0 good bye\r\n", KEY);
    assert_true(log_holds(&world, "event=tls client=192.0.2.1 version=TLSv1.2 "
                                  "suite=STUB-XOR sni=mail.local.test\n"));
    assert_true(log_holds(&world, "errors=5"));
}

/* Before and after the engine is ready: what follows ends the session, and is never run. */
static void test_nothing_may_follow(void **state)
{
    static char const *const following[] = {"EHLO x\r\n",
                                            "NOOP\r\n",
                                            "RSET\r\n",
                                            "QUIT\r\n",
                                            "Q",
                                            "\r\n",
                                            "\n",
                                            "AUTH PLAIN AGEAYg==\r\n",
                                            "STARTTLS\r\n",
                                            "STARTTLS\r\nMAIL FROM:<>\r\n",
                                            "\x16\x03\x01"};
    char script[128];
    struct world world;
    world_start(&world, state);
    for (size_t i = 0; i < sizeof following / sizeof *following; i++)
        for (int late = 0; late < 2; late++) {
            world_connect(&world, late ? LATE : GOOD);
            greet(&world);
            snprintf(script, sizeof script, "STARTTLS\r\n%s", late ? "" : following[i]);
            tell(&world, script, 0);
            if (late) {
                assert_int_equal(read(world.taken, &(char){0}, 1), 1);
                tell(&world, following[i], 0);
            }
            expect(hear(&world, 1, 0), "503 5.5.1 ");
            world_end(&world, "", 0);
            assert_true(log_holds(&world, "reason=\"clear text came after STARTTLS\""));
            assert_true(log_holds(&world, "reason=tls-failed commands=2 "));
        }
}

static void test_no_engine(void **state)
{
    static struct {
        enum engine kind;
        char const *reason;
    } const rows[] = {{REFUSES, "the stub refuses"},
                      {GONE, "the TLS engine died"},
                      {NONSENSE, "the TLS engine died"},
                      {SILENT, "ekiden-tls does not answer"},
                      {ABSENT, "ekiden-tls does not answer"}};
    char reason[128];
    struct world world;
    world_start(&world, state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_connect(&world, rows[i].kind);
        greet(&world);
        tell(&world, "STARTTLS\r\n", 0);
        expect(hear(&world, 1, 0), "454 4.7.0 ");
        tell(&world, "MAIL FROM:<s@other.test>\r\n", 0); /* the session goes on as it was */
        expect(hear(&world, 1, 0), "250 ");
        tell(&world, "QUIT\r\n", 0);
        world_end(&world, "221 2.0.0 good bye\r\n", 0);
        snprintf(reason, sizeof reason,
                 "event=tls-failed client=192.0.2.1 helo=clear.test "
                 "reason=\"%s\"",
                 rows[i].reason);
        assert_true(log_holds(&world, reason));
    }
}

/* After the 220 there is no way back: not a byte more. */
static void test_failed_handshakes(void **state)
{
    static enum engine const kinds[] = {FAILS, DIES, HANGS, GOOD};
    struct world world;
    world_start(&world, state);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        world_connect(&world, kinds[i]);
        greet(&world);
        tell(&world, "STARTTLS\r\n", 0);
        expect(hear(&world, 1, 0), "220 2.0.0 ");
        tell(&world, "NOOP\r\n", 0); /* no handshake: GOOD fails by it */
        if (kinds[i] == HANGS)
            kill(world.child, SIGTERM);
        world_end(&world, "", 0);
        assert_true(log_holds(&world, "event=tls-failed"));
        assert_true(log_holds(&world, "event=disconnect client=192.0.2.1 helo=clear.test "
                                      "reason=tls-failed"));
    }
}

static void test_an_engine_dies_in_a_session(void **state)
{
    struct world world;
    world_start(&world, state);
    world_connect(&world, DIES_LATER);
    encrypt(&world);
    tell(&world, "EHLO inside.test\r\n", KEY);
    world_end(&world, ENCRYPTED, KEY);
    assert_true(log_holds(&world, "reason=closed"));
}

static void test_the_session_outlives_a_slow_engine(void **state)
{
    struct world world;
    world_start(&world, state);
    world_connect(&world, HANGS);
    greet(&world);
    tell(&world, "STARTTLS\r\n", 0);
    expect(hear(&world, 1, 0), "220 2.0.0 ");
    /* Its own deadline is 1 s; the dialogue allows for 5 more, then nobody holds the client. */
    world_end(&world, "", 0);
    assert_true(log_holds(&world, "reason=\"ekiden-tls does not answer\""));
}

static void test_tls_from_the_first_octet(void **state)
{
    static enum engine const failing[] = {REFUSES, GONE, SILENT, FAILS, DIES};
    struct world world;
    world_start(&world, state);
    world.connection.role = ROLE_SUBMISSIONS;
    world_connect(&world, GOOD);
    tell(&world, (char const[]){HANDSHAKE, 0}, 0);
    expect(hear(&world, 1, KEY), "220 mx.local.test ESMTP");
    tell(&world, "MAIL FROM:<s@other.test>\r\n", KEY);
    expect(hear(&world, 1, KEY), "503 5.5.1 ");
    tell(&world, "QUIT\r\n", KEY);
    world_end(&world, "221 2.0.0 good bye\r\n", KEY);
    for (size_t i = 0; i < sizeof failing / sizeof *failing; i++) {
        world_connect(&world, failing[i]);
        tell(&world, "EHLO x\r\nQUIT\r\n", 0);
        world_end(&world, "", 0);
    }
    world.connection.refusal = CONNECTION_TOO_MANY; /* it costs no handshake */
    world_connect(&world, GOOD);
    world_end(&world, "", 0);
    assert_true(log_holds(&world, "reason=refused"));
}

static void test_without_a_certificate(void **state)
{
    int client[2];
    struct world world;
    world_start(&world, state);
    world.connection.tls_requests = -1;
    load(&world);
    assert_false(settings.tls);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    fork_dialogue(&world, client);
    expect(hear(&world, 1, 0), "220 ");
    tell(&world, "EHLO clear.test\r\n", 0);
    assert_string_equal(hear(&world, 8, 0), ENCRYPTED);
    tell(&world, "STARTTLS\r\n", 0);
    expect(hear(&world, 1, 0), "502 5.5.1 ");
    tell(&world, "QUIT\r\n", 0);
    world_end(&world, "221 2.0.0 good bye\r\n", 0);

    world.connection.role = ROLE_SUBMISSIONS;
    load(&world);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    fork_dialogue(&world, client);
    world_end(&world, "", 0);
    assert_true(log_holds(&world, "there is no certificate: put one into tls/default/"));
}

/* A super-server has done it already: nothing is offered, nothing asked for. */
static void test_tls_around_everything(void **state)
{
    int client[2];
    struct world world;
    world_start(&world, state);
    world.connection.role = ROLE_SUBMISSIONS;
    world.connection.tls_version = "TLSv1.3";
    world.connection.tls_suite = "";
    load(&world);
    settings.tls = true;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    fork_dialogue(&world, client);
    expect(hear(&world, 1, 0), "220 ");
    tell(&world, "EHLO x\r\n", 0);
    assert_string_equal(
        hear(&world, 9, 0),
        "250-mx.local.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SIZE 52428800\r\n"
        "250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-SMTPUTF8\r\n"
        "250 AUTH PLAIN LOGIN\r\n");
    tell(&world, "STARTTLS\r\nQUIT\r\n", 0);
    expect(hear(&world, 1, 0), "503 5.5.1 ");
    world_end(&world, "221 2.0.0 good bye\r\n", 0);
}

/* --- UCSPI-TLS --- */

enum offered { ANSWERS, ANSWERS_AND_CLOSES, ENDS, ENDS_BEFORE };

/* NUL between and after the strings; one more is the end. */
#define TEXT "SSL_PROTOCOL=TLSv1.2\0OTHER=x\0SSL_CIPHER=STUB\0SSL_TLS_SNI_SERVERNAME=mail.test\0"

static void world_offer(struct world *world, enum offered kind)
{
    int client[2], control[2], input[2], output[2];
    struct ucspi_tls *const tls = &world->connection.ucspi_tls;
    load(world);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, control), 0);
    assert_int_equal(pipe(input), 0);
    assert_int_equal(pipe(output), 0);
    world->engine = fork();
    assert_true(world->engine >= 0);
    if (world->engine == 0) {
        char letter = 0;
        close(client[0]);
        close(control[1]);
        close(input[0]);
        close(output[1]);
        signal(SIGPIPE, SIG_IGN);
        if (kind == ENDS_BEFORE || read(control[0], &letter, 1) != 1)
            _exit(0);
        if (letter != 'Y' || kind == ENDS || !shake_hands(client[1]) ||
            write(control[0], TEXT, sizeof TEXT - (kind == ANSWERS ? 0 : 1)) < 0)
            _exit(kind != ENDS);
        close(control[0]);
        pump(client[1], client[1], output[0], input[1], false);
        _exit(0);
    }
    *tls = (struct ucspi_tls){
        .offered = true, .control = control[1], .input = input[0], .output = output[1]};
    close(control[0]);
    close(input[1]);
    close(output[0]);
    if (kind == ENDS_BEFORE)
        assert_int_equal(read(control[1], &(char){0}, 1), 0);
    fork_dialogue(world, client);
    close(control[1]);
    close(input[0]);
    close(output[1]);
}

static void test_ucspi_tls(void **state)
{
    struct world world;
    world_start(&world, state);
    for (enum offered kind = ANSWERS; kind <= ANSWERS_AND_CLOSES; kind++) {
        world_offer(&world, kind);
        encrypt(&world);
        tell(&world, "MAIL FROM:<s@other.test>\r\n", KEY);
        expect(hear(&world, 1, KEY), "503 5.5.1 ");
        tell(&world, "EHLO inside.test\r\n", KEY);
        assert_string_equal(hear(&world, 8, KEY), ENCRYPTED);
        tell(&world, "QUIT\r\n", KEY);
        world_end(&world, "221 2.0.0 good bye\r\n", KEY);
        assert_true(log_holds(&world, "event=tls client=192.0.2.1 version=TLSv1.2 "
                                      "suite=STUB sni=mail.test\n"));
    }
    world_offer(&world, ENDS);
    greet(&world);
    tell(&world, "STARTTLS\r\n", 0);
    expect(hear(&world, 1, 0), "220 ");
    world_end(&world, "", 0);

    world_offer(&world, ANSWERS);
    greet(&world);
    tell(&world, "STARTTLS\r\nNOOP\r\n", 0);
    expect(hear(&world, 1, 0), "503 5.5.1 ");
    world_end(&world, "", 0);

    world_offer(&world, ENDS_BEFORE);
    greet(&world);
    tell(&world, "STARTTLS\r\n", 0);
    expect(hear(&world, 1, 0), "454 4.7.0 ");
    tell(&world, "QUIT\r\n", 0);
    world_end(&world, "221 2.0.0 good bye\r\n", 0);

    world.connection.role = ROLE_SUBMISSIONS;
    world_offer(&world, ANSWERS);
    tell(&world, (char const[]){HANDSHAKE, 0}, 0);
    expect(hear(&world, 1, KEY), "220 ");
    tell(&world, "QUIT\r\n", KEY);
    world_end(&world, "221 2.0.0 good bye\r\n", KEY);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_remembered, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_nothing_may_follow, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_no_engine, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_failed_handshakes, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_an_engine_dies_in_a_session, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_the_session_outlives_a_slow_engine, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_tls_from_the_first_octet, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_without_a_certificate, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_tls_around_everything, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_ucspi_tls, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
