/* ekiden-auth: the checkpassword interface, in front of our own database or of another program that
 * speaks it, and the gatekeeper before either.
 *
 * fd 3: user, password and timestamp; exit 0 (or the program that follows is executed) when the
 * password is right, 1 when it is not, 2 when this program is misused, 111 when nobody can say now.
 * With -b: login and recipients, and the exit code says whether so much may be sent. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>

#include "auth/auth_settings.h"
#include "auth/credentials.h"
#include "auth/fence.h"
#include "auth/follow.h"
#include "auth/foreign.h"
#include "auth/gate.h"
#include "auth/hash.h"
#include "auth/passwords.h"
#include "auth/remembered.h"
#include "auth/slots.h"
#include "auth/spending.h"
#include "configured.h"
#include "lib/control.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/privilege.h"

#define USAGE             "ekiden-auth [ -b ] [ -C control ] [ -S state ] [ program ... ]"
#define READ_MILLISECONDS 10000

enum { CREDENTIALS = 3 };
enum { EXIT_RIGHT = 0, EXIT_WRONG = 1, EXIT_MISUSED = 2, EXIT_TEMPORARY = 111 };

struct arguments {
    char const *control, *state;
    bool budget;
    char const *const *program; /* NULL-terminated; empty: exit */
};

static struct credentials credentials;
static struct foreign foreign;
static struct passwords passwords = {.folder = {.directory = -1}};
static struct store store;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void wait_milliseconds(unsigned int milliseconds)
{
    struct timespec left = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000L};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

static void on_deadline(int number)
{
    (void)number;
    foreign_kill(&foreign);
    log_failure("auth-timeout", "no answer within the deadline", 0);
    _exit(EXIT_TEMPORARY);
}

static bool parse_arguments(struct arguments *arguments, int argc, char const *const *argv)
{
    subgetopt options = SUBGETOPT_ZERO;
    for (int option; (option = subgetopt_r(argc, argv, "bC:S:", &options)) >= 0;)
        switch (option) {
        case 'b':
            arguments->budget = true;
            break;
        case 'C':
            arguments->control = options.arg;
            break;
        case 'S':
            arguments->state = options.arg;
            break;
        default:
            return false;
        }
    arguments->program = argv + options.ind;
    return !arguments->budget || !*arguments->program;
}

/* Makes the state folder, which its user has from the moment when others can see it: of several
 * that begin together, none may find one that is still root's. */
static void make_state(char const *path, struct privilege_user const *user)
{
    char making[PATH_MAX];
    int const length = snprintf(making, sizeof making, "%s.making-%d", path, (int)getpid());
    if (length < 0 || (size_t)length >= sizeof making || mkdir(making, 0700) != 0)
        return;
    if ((privilege_is_root() && chown(making, user->uid, user->gid) != 0) ||
        renameat2(AT_FDCWD, making, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
        rmdir(making);
}

/* Opens the state folder, and makes it where it is missing. -1 after logging. */
static int open_state(char const *path, struct privilege_user const *user)
{
    int state = -1;
    if (!control_take_inherited(&path, &state)) {
        state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (state < 0 && errno == ENOENT) {
            make_state(path, user);
            state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
    }
    if (state < 0)
        log_failure("store-failed", path, errno);
    return state;
}

/* --- the check --- */

/* A name that nobody has may be a password, typed into the wrong place. */
static void begin_log(struct log_line *line, char const *event, char const *known,
                      char const *client)
{
    log_begin(line, event);
    log_text(line, "user", known ? known : "unknown");
    log_text(line, "client", client ? client : "unknown");
}

static int pass_gate(struct gate *gate, char const *known, char const *client)
{
    unsigned int delay;
    enum gate_verdict verdict = gate_enter(gate, now(), false, &delay);
    if (verdict == GATE_AGAIN) {
        wait_milliseconds(delay);
        verdict = gate_enter(gate, now(), true, &delay);
    }
    if (verdict == GATE_FAILED)
        return EXIT_TEMPORARY;
    if (verdict != GATE_PASS) {
        struct log_line line;
        begin_log(&line, "auth-limited", gate->is_known ? gate->user : known, client);
        log_text(&line, "failures-of", gate->limited);
        log_number(&line, "seconds", delay / 1000);
        log_write(&line);
        return EXIT_TEMPORARY;
    }
    wait_milliseconds(delay);
    return EXIT_RIGHT;
}

/* Our own check: a hash is computed whatever is known about the user. */
static int check_hash(char const *hash, bool may_be_right)
{
    enum hash_result const result = hash_check(credentials.password, hash);
    if (result == HASH_FAILED) {
        log_failure("auth-unavailable", "the hash could not be computed", errno);
        return EXIT_TEMPORARY;
    }
    return result == HASH_RIGHT && may_be_right && *credentials.password ? EXIT_RIGHT : EXIT_WRONG;
}

/* Finds what the password is compared with. False after logging. */
static bool find_user(char const *login, char hash[HASH_MAX], enum passwords_found *found)
{
    struct control_error error;
    if (passwords.folder.directory >= 0 && passwords_load(&passwords, &error) == CONTROL_ERROR) {
        log_failure("auth-unavailable", error.text, 0);
        return false;
    }
    *found = passwords_find(&passwords, login, hash, &error);
    if (*found == PASSWORDS_REFUSED)
        log_failure("password-unusable", error.text, 0);
    return true;
}

static int check(struct auth_settings const *settings, char const *client, int to)
{
    char login[LOGIN_MAX + 1], hash[HASH_MAX] = HASH_DUMMY;
    bool const is_login = login_read(login, credentials.name, strlen(credentials.name));
    char const *const name = is_login ? login : credentials.name;
    bool const elsewhere = settings->program.len > 0;
    enum passwords_found found = PASSWORDS_UNKNOWN;
    struct gate gate;
    if (!elsewhere && !find_user(is_login ? login : "", hash, &found))
        return EXIT_TEMPORARY;
    char const *known = found == PASSWORDS_UNKNOWN ? NULL : login;
    gate_start(&gate, &store, settings->failures, settings->delay, client, name);
    int result = pass_gate(&gate, known, client);
    if (result != EXIT_RIGHT)
        return result;
    if (!slots_take(&store, elsewhere)) {
        log_failure("auth-unavailable", "the lock of a place", errno);
        return EXIT_TEMPORARY;
    }
    result = elsewhere ? foreign_run(&foreign, credentials.bytes, credentials.length)
                       : check_hash(hash, found == PASSWORDS_FOUND);
    explicit_bzero(hash, sizeof hash);
    if (result == EXIT_WRONG) {
        struct log_line line;
        begin_log(&line, "auth-failed", gate.is_known ? name : known, client);
        log_write(&line);
    } else if (!gate_leave(&gate, now(), result == EXIT_RIGHT ? GATE_RIGHT : GATE_UNDECIDED))
        return EXIT_TEMPORARY;
    if (result == EXIT_RIGHT && to >= 0 && write(to, name, strlen(name)) != (ssize_t)strlen(name))
        return EXIT_TEMPORARY;
    return result;
}

static int spend(struct auth_settings const *settings)
{
    char login[LOGIN_MAX + 1];
    /* Another program may know names that our own database could not hold. */
    bool const is_login = login_read(login, credentials.name, strlen(credentials.name));
    char const *const name = is_login ? login : credentials.name;
    if (!*name)
        return EXIT_MISUSED;
    enum spending_result const result = spending_take(&store, now(), name, credentials.recipients,
                                                      settings->messages, settings->recipients);
    if (result == SPENDING_FAILED)
        return EXIT_TEMPORARY;
    if (result == SPENDING_GRANTED)
        return EXIT_RIGHT;
    bool const messages = result == SPENDING_MESSAGES_OVER;
    struct log_line line;
    log_begin(&line, "budget-spent");
    log_text(&line, "user", name);
    log_text(&line, "of", messages ? "loginmessages" : "loginrecipients");
    log_number(&line, "an-hour", messages ? settings->messages : settings->recipients);
    log_write(&line);
    return EXIT_WRONG;
}

/* Reads descriptor 3 and answers what it asks. */
static int answer(struct auth_settings const *settings, bool budget, int to)
{
    char const *const client = getenv("TCPREMOTEIP");
    enum credentials_result read = credentials_read(&credentials, CREDENTIALS, READ_MILLISECONDS);
    close(CREDENTIALS);
    if (read == CREDENTIALS_OK)
        read = budget ? credentials_parse_budget(&credentials) : credentials_parse(&credentials);
    int result = EXIT_TEMPORARY;
    if (read == CREDENTIALS_OK)
        result = budget ? spend(settings) : check(settings, client, to);
    else if (read == CREDENTIALS_MALFORMED)
        log_failure("misused", "descriptor 3 does not have the form that is expected", 0);
    else if (read == CREDENTIALS_LONG)
        log_failure("auth-failed", "more than 512 bytes on descriptor 3", 0);
    else
        log_failure("auth-unavailable", "descriptor 3", errno);
    if (read == CREDENTIALS_MALFORMED)
        result = EXIT_MISUSED;
    else if (read == CREDENTIALS_LONG)
        result = EXIT_WRONG;
    credentials_wipe(&credentials);
    return result;
}

int main(int argc, char const *const *argv)
{
    struct arguments arguments = {.control = CONFIGURED_CONTROL, .state = CONFIGURED_STATE};
    struct auth_settings settings;
    struct control control;
    struct control_error error;
    struct privilege_user user;
    int to = -1;
    log_start("ekiden-auth");
    if (!descriptors_standard())
        return EXIT_TEMPORARY;
    if (fcntl(CREDENTIALS, F_GETFD) < 0 || !parse_arguments(&arguments, argc, argv)) {
        log_failure("usage", USAGE " 3<credentials", 0);
        return EXIT_MISUSED;
    }
    if (control_open(&control, arguments.control, &error) != CONTROL_OK ||
        !auth_settings_load(&settings, &control, &error)) {
        log_failure("configuration-refused", error.text, 0);
        return EXIT_TEMPORARY;
    }
    if (!privilege_find(&user, CONFIGURED_USER_AUTH))
        return EXIT_TEMPORARY;
    int const state = open_state(arguments.state, &user);
    if (state < 0)
        return EXIT_TEMPORARY;
    if (*arguments.program)
        to = follow_prepare(arguments.program);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    privilege_drop(&user, NULL);
    privilege_refuse_root();
    if (!arguments.budget && !settings.program.len &&
        passwords_open(&passwords, &control, &error) == CONTROL_ERROR) {
        log_failure("auth-unavailable", error.text, 0);
        return EXIT_TEMPORARY;
    }
    if (!store_open(&store, state, &remembered_form, false))
        return EXIT_TEMPORARY;
    if (!arguments.budget && settings.program.len && !foreign_prepare(&foreign, settings.program.s))
        return EXIT_TEMPORARY;
    signal(SIGALRM, on_deadline);
    /* Before who waits for the answer gives up: so it is logged, and what was begun is ended. */
    alarm((unsigned int)(settings.timeout * 9 / 10 + 1));
    fence_close(state, passwords.folder.directory);
    return answer(&settings, arguments.budget, to);
}
