#include "tls/ucspi_engine.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "configured.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/privilege.h"
#include "lib/process.h"
#include "tls/key_channel.h"
#include "tls/key_process.h"
#include "tls/server_engine.h"
#include "tls/template.h"

#define TIMEOUT_DEFAULT 30 /* seconds, as in ekiden-smtpd */

struct helper {
    struct control const *control;
    int control_end, plain;
    struct privilege_user engine_user, key_user;
    unsigned int seconds;
    int channel; /* to the key process */
    int answers; /* of the engine; its other end */
};

_Noreturn static void die(char const *what, int number)
{
    log_failure("tls-not-started", what, number);
    _exit(111);
}

/* The program's word: `y` or `Y`. At the end without one there is nothing to do. */
static char await_word(int control_end)
{
    char word;
    ssize_t got;
    do
        got = read(control_end, &word, 1);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        _exit(0);
    if (word != 'y' && word != 'Y')
        die("what came on SSLCTLFD is neither y nor Y", 0);
    return word;
}

static void prepare(struct helper *helper)
{
    struct control_error error;
    uint64_t seconds = TIMEOUT_DEFAULT;
    if (!privilege_find(&helper->engine_user, CONFIGURED_USER_TLS) ||
        !privilege_find(&helper->key_user, CONFIGURED_USER_KEY))
        _exit(111);
    if (control_number(helper->control, "timeouttls", &seconds, 1, TLS_SECONDS_MAX, &error) ==
        CONTROL_ERROR)
        die(error.text, 0);
    helper->seconds = (unsigned int)seconds;
    process_catch_signals();
}

static void start_key_process(struct helper *helper)
{
    int channels[2];
    if (!packet_pair(channels))
        die("socketpair", errno);
    pid_t const pid = process_fork("tls-key");
    if (pid < 0)
        _exit(111);
    if (pid == 0)
        key_process_start(helper->control, channels[0], false, &helper->key_user);
    close(channels[0]);
    char const *const problem = key_channel_make(channels[1], &helper->channel);
    if (problem)
        die(problem, 0);
    close(channels[1]); /* there will be no other engine: it ends with this one */
}

_Noreturn static void run_engine(struct helper const *helper, int answers)
{
    struct engine_ends const ends = {.in = 0, .out = 1, .plain = helper->plain, .answers = answers};
    int kept[] = {0, 1, STDERR_FILENO, helper->plain, answers, helper->channel};
    descriptors_keep(kept, sizeof kept / sizeof *kept);
    privilege_drop(&helper->engine_user, NULL);
    privilege_refuse_root();
    template_fence();
    server_engine_serve(&ends, helper->seconds, helper->channel);
    _exit(0);
}

static void start_engine(struct helper *helper)
{
    int answers[2];
    if (!packet_pair(answers))
        die("socketpair", errno);
    pid_t const pid = process_fork("tls-server");
    if (pid < 0)
        _exit(111);
    if (pid == 0)
        run_engine(helper, answers[1]);
    close(answers[1]);
    helper->answers = answers[0];
}

/* From here on this process hears an engine, which hears the client. */
static void drop(struct helper const *helper)
{
    int kept[] = {STDERR_FILENO, helper->control_end, helper->answers};
    descriptors_keep(kept, sizeof kept / sizeof *kept);
    privilege_drop(&helper->engine_user, NULL);
    privilege_refuse_root();
    engine_fence();
}

static void log_client(struct log_line *line)
{
    char const *const address = getenv("TCPREMOTEIP");
    if (address)
        log_text(line, "ip", address);
}

_Noreturn static void end_failed(char const *reason)
{
    struct log_line line;
    log_begin(&line, "tls-failed");
    log_client(&line);
    log_text(&line, "reason", reason);
    log_write(&line);
    _exit(111);
}

static void await_handshake(struct helper const *helper, struct tls_answer *answer)
{
    struct tls_link const link = {.plain = -1, .answers = helper->answers};
    for (;;) {
        enum tls_receive_result const result = tls_answer_receive(&link, answer);
        if (result == TLS_AGAIN)
            continue;
        if (result == TLS_GONE)
            end_failed("the engine ended");
        if (answer->kind == TLS_FAILED)
            end_failed(answer->reason);
        if (answer->kind == TLS_HANDSHAKE)
            return;
        if (!tls_go(&link))
            end_failed("the engine ended");
    }
}

static void log_begun(struct tls_answer const *answer)
{
    struct log_line line;
    log_begin(&line, "tls");
    log_client(&line);
    log_text(&line, "version", answer->version);
    log_text(&line, "suite", answer->suite);
    if (answer->name[0])
        log_text(&line, "sni", answer->name);
    log_write(&line);
}

/* The names are mod_ssl's, and what s6-ucspitlsd calls that of SNI. A client's name may be anything
 * printable. */
static void tell(int control_end, struct tls_answer const *answer)
{
    char text[1024];
    int length = snprintf(text, sizeof text, "SSL_PROTOCOL=%s%cSSL_CIPHER=%s%c", answer->version, 0,
                          answer->suite, 0);
    if (answer->name[0])
        length += snprintf(text + length, sizeof text - (size_t)length,
                           "SSL_TLS_SNI=%s%cSSL_TLS_SNI_SERVERNAME=%s%c", answer->name, 0,
                           answer->name, 0);
    text[length++] = 0;
    /* The socket is empty, so all of it fits. */
    if (send(control_end, text, (size_t)length, MSG_NOSIGNAL) != length)
        _exit(111);
}

_Noreturn void ucspi_engine_run(struct control const *control, bool at_once, int control_end,
                                int plain)
{
    struct helper helper = {.control = control, .control_end = control_end, .plain = plain};
    struct tls_answer answer;
    int kept[] = {0, 1, STDERR_FILENO, control->directory, control_end, plain};
    prctl(PR_SET_NAME, "tls-ucspi", 0, 0, 0);
    descriptors_keep(kept, sizeof kept / sizeof *kept);
    char const word = at_once ? 'Y' : await_word(control_end);
    prepare(&helper);
    start_key_process(&helper);
    start_engine(&helper);
    drop(&helper);
    await_handshake(&helper, &answer);
    log_begun(&answer);
    if (word == 'Y')
        tell(control_end, &answer);
    _exit(0);
}
