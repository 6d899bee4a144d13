/* ekiden-dns: asks the name servers as Ekiden's programs do, and prints what they would see.
 *
 * One record a line on standard output: name, type, what it says, and `ad` where it is
 * authenticated. What went wrong is on standard error and in the exit code. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <skalibs/sgetopt.h>
#include <skalibs/tai.h>
#include <skalibs/types.h>

#include "configured.h"
#include "lib/dns.h"
#include "lib/log.h"
#include "lib/privilege.h"
#include "lib/sandbox.h"

#define USAGE           "ekiden-dns [ -C control ] [ -t seconds ] TYPE NAME ..."
#define SECONDS_DEFAULT 30
#define SECONDS_MAX     3600

enum {
    EXIT_NOTHING = 1, /* a name does not exist, has no such record, or is none */
    EXIT_USAGE = 100,
    EXIT_TEMPORARY = 111
};

static struct {
    char const *name;
    enum dns_type type;
} const types[] = {{"A", DNS_A},   {"AAAA", DNS_AAAA}, {"CNAME", DNS_CNAME},
                   {"MX", DNS_MX}, {"PTR", DNS_PTR},   {"TXT", DNS_TXT}};

static int const calls[] = {DNS_SYSTEM_CALLS, SYS_write, SYS_writev, SYS_exit, SYS_exit_group,
                            SYS_rt_sigreturn, SYS_restart_syscall,
                            /* standard output finds out what it writes to */
                            SYS_fstat, SYS_newfstatat, SYS_ioctl, SYS_lseek,
                            /* memory; abort of a hardened library */
                            SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect,
                            SYS_futex, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_rt_sigprocmask,
                            SYS_rt_sigaction};

struct options {
    char const *control;
    unsigned int seconds;
    enum dns_type type;
    char const *type_name;
    char const *const *names;
    size_t count;
};

static _Noreturn void die(int code, char const *text)
{
    fprintf(stderr, "ekiden-dns: %s\n", text);
    exit(code);
}

static bool find_type(struct options *options, char const *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcasecmp(types[i].name, name) == 0) {
            options->type = types[i].type;
            options->type_name = types[i].name;
            return true;
        }
    return false;
}

static struct options read_options(int argc, char const *const *argv)
{
    struct options options = {.control = CONFIGURED_CONTROL, .seconds = SECONDS_DEFAULT};
    subgetopt state = SUBGETOPT_ZERO;
    for (int option; (option = subgetopt_r(argc, argv, "C:t:", &state)) >= 0;)
        switch (option) {
        case 'C':
            options.control = state.arg;
            break;
        case 't':
            if (!uint0_scan(state.arg, &options.seconds) || options.seconds == 0 ||
                options.seconds > SECONDS_MAX)
                die(EXIT_USAGE, "-t needs a number of seconds from 1 to 3600");
            break;
        default:
            die(EXIT_USAGE, "usage: " USAGE);
        }
    argc -= state.ind;
    argv += state.ind;
    if (argc < 2)
        die(EXIT_USAGE, "usage: " USAGE);
    if (!find_type(&options, argv[0]))
        die(EXIT_USAGE, "the type must be A, AAAA, CNAME, MX, PTR or TXT");
    options.names = argv + 1;
    options.count = (size_t)argc - 1;
    if (options.count > DNS_ASK_MAX)
        die(EXIT_USAGE, "at most 64 names at once");
    return options;
}

static void load_servers(struct dns_servers *servers, char const *path)
{
    struct control control;
    struct control_error error;
    if (control_open(&control, path, &error) != CONTROL_OK ||
        dns_servers_load(servers, &control, NULL, &error) != CONTROL_OK)
        die(EXIT_USAGE, error.text);
    control_close(&control);
}

/* From here on strangers speak. Root asks as the user who faces them in the daemons as well. */
static void drop(void)
{
    struct privilege_user user;
    struct sandbox_limits const limits = {
        .descriptors = DNS_ASK_MAX + 16, .file_size = UINT64_MAX, .processes = 0};
    if (!privilege_find(&user, CONFIGURED_USER_REMOTE))
        exit(EXIT_TEMPORARY);
    privilege_drop(&user, NULL);
    sandbox_limit(&limits);
    sandbox_allow_paths(NULL, 0);
    sandbox_allow_calls(calls, sizeof calls / sizeof *calls);
}

/* An address after PTR stands for its name. */
static char const *asked_name(enum dns_type type, char const *name, char reverse[DNS_REVERSE_MAX])
{
    ip46 ip = IP46_ZERO;
    char bytes[16];
    if (type != DNS_PTR)
        return name;
    if (inet_pton(AF_INET, name, bytes) == 1)
        ip46_from_ip4(&ip, bytes);
    else if (inet_pton(AF_INET6, name, bytes) == 1)
        ip46_from_ip6(&ip, bytes);
    else
        return name;
    dns_reverse_name(reverse, &ip);
    return reverse;
}

/* Printable ASCII as it is, all else and the backslash as \xNN: whoever reads this has a terminal.
 */
static void put_escaped(FILE *out, char const *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char const byte = (unsigned char)text[i];
        if (byte >= ' ' && byte <= '~' && byte != '\\')
            putc(byte, out);
        else
            fprintf(out, "\\x%02x", byte);
    }
}

static void print_record(struct options const *options, char const *name,
                         struct dns_record const *record, bool authenticated)
{
    char address[IP46_FMT];
    put_escaped(stdout, name, strlen(name));
    printf(" %s ", options->type_name);
    if (options->type == DNS_MX)
        printf("%u ", record->preference);
    if (options->type == DNS_TXT) {
        putchar('"');
        put_escaped(stdout, record->text, record->length);
        putchar('"');
    } else if (record->text) {
        fputs(*record->text ? record->text : ".", stdout);
    } else {
        printf("%.*s", (int)ip46_fmt(address, &record->ip), address);
    }
    puts(authenticated ? " ad" : "");
}

/* Prints one answer. Returns the exit code that it is worth. */
static int print_answer(struct options const *options, char const *name,
                        struct dns_answer const *answer)
{
    static char const *const texts[] = {[DNS_NO_NAME] = "no such name",
                                        [DNS_NO_DATA] = "no record of this type",
                                        [DNS_BAD_NAME] = "not a name that DNS can hold"};
    if (answer->status == DNS_OK) {
        for (size_t i = 0; i < answer->count; i++)
            print_record(options, name, answer->records + i, answer->authenticated);
        return 0;
    }
    fputs("ekiden-dns: ", stderr);
    put_escaped(stderr, name, strlen(name));
    fprintf(stderr, " %s: %s%s\n", options->type_name,
            answer->status == DNS_TEMPORARY ? answer->reason : texts[answer->status],
            answer->authenticated ? " (ad)" : "");
    return answer->status == DNS_TEMPORARY ? EXIT_TEMPORARY : EXIT_NOTHING;
}

int main(int argc, char const *const *argv)
{
    struct options const options = read_options(argc, argv);
    struct dns_question questions[DNS_ASK_MAX];
    struct dns_answer answers[DNS_ASK_MAX];
    char reverse[DNS_ASK_MAX][DNS_REVERSE_MAX];
    struct dns_servers servers;
    tain deadline;
    int result = 0;
    log_start("ekiden-dns");
    load_servers(&servers, options.control);
    drop();
    /* Not the time of day, which may be set while we wait. */
    if (!tain_now_set_stopwatch_g())
        die(EXIT_TEMPORARY, "there is no clock");
    tain_addsec_g(&deadline, (int)options.seconds);
    for (size_t i = 0; i < options.count; i++)
        questions[i] = (struct dns_question){asked_name(options.type, options.names[i], reverse[i]),
                                             options.type};
    dns_ask(&servers, questions, answers, options.count, &deadline);
    for (size_t i = 0; i < options.count; i++) {
        int const code = print_answer(&options, options.names[i], answers + i);
        if (code > result)
            result = code;
        dns_answer_free(answers + i);
    }
    if (fflush(stdout) != 0)
        die(EXIT_TEMPORARY, "standard output cannot be written to");
    return result;
}
