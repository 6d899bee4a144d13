/* Load on an SMTP server, for the benches: many clients, a thread each.
 *
 *   bench_client MODE [OPTION...] ADDRESS:PORT
 *
 *   connections  connect, greeting, QUIT, 221, close
 *   greeting     the same; its times are those from connect to greeting
 *   handshakes   connect, greeting, EHLO, STARTTLS, a TLS 1.2 handshake with ECDHE on P-256, QUIT
 *   send         one message a connection, pipelined; its time is that to the 250
 *   idle         opens a connection for each client, prints `ready`, holds them until end of file
 *
 *   --clients N      at once (1)
 *   --count N        connections in all (one for each client)
 *   --seconds S      as many connections as there is time for
 *   --deadline S     of a connection (60)
 *   --ehlo, --tls    idle: behind EHLO, or STARTTLS; send --tls: by STARTTLS
 *   --resume         handshakes: each client offers its session again
 *   --size BYTES     send: of a message (4096), with its header, CRLF as line ends
 *   --recipients N   send: of a message: for more than one the names are NAME0, NAME1 ... of --to
 *   --to ADDRESS     send (alice@demo.example)
 *
 * Prints key=value lines; `begun` is of CLOCK_MONOTONIC. What fails is counted by what failed, and
 * ends it with 1. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/client_connection.h"
#include "tests/bench/client_message.h"

#define CLIENTS_MAX  100000
#define FAILURES_MAX 100 /* after so many it ends */
#define STACK        (256 << 10)
#define EHLO         "EHLO client.example\r\n"

static struct settings {
    struct sockaddr_in server;
    unsigned long clients, count, recipients;
    double seconds, deadline;
    uint64_t size;
    char const *to;
    bool ehlo, tls, resume;
} settings = {.clients = 1,
              .deadline = 60,
              .recipients = 1,
              .size = 4096,
              .to = "alice@demo.example",
              .server = {.sin_family = AF_INET}};

/* One connection: whether all went well. Sets *SECONDS to what is to be known of it. */
typedef bool attempt(struct connection *connection, SSL_SESSION **session, double *seconds);

static SSL_CTX *tls_context;
static struct message message;
static attempt *attempt_one;
static pthread_barrier_t barrier;
static atomic_ulong begun, completed, failures, resumed;
static double end_time; /* no connection begins later, unless 0 */
static double *times;   /* of the completed ones, the first TIMES_MAX */
#define TIMES_MAX 1000000

static _Noreturn void die(char const *what)
{
    fprintf(stderr, "bench_client: %s\n", what);
    exit(2);
}

/* --- the modes --- */

static bool quit(struct connection *connection)
{
    return connection_ask(connection, "QUIT\r\n", 221);
}

static bool attempt_connection(struct connection *connection, SSL_SESSION **session,
                               double *seconds)
{
    (void)session;
    double const start = seconds_now();
    if (!connection_open(connection, &settings.server, settings.deadline))
        return false;
    *seconds = seconds_now() - start; /* to the greeting */
    return quit(connection);
}

/* Up to where the settings want it: greeting, EHLO, TLS. */
static bool open_as_set(struct connection *connection, SSL_SESSION *session)
{
    return connection_open(connection, &settings.server, settings.deadline) &&
           (!(settings.ehlo || settings.tls) || connection_ask(connection, EHLO, 250)) &&
           (!settings.tls || connection_start_tls(connection, tls_context, session));
}

static bool attempt_handshake(struct connection *connection, SSL_SESSION **session, double *seconds)
{
    double const start = seconds_now();
    if (!open_as_set(connection, *session))
        return false;
    *seconds = seconds_now() - start;
    if (SSL_session_reused(connection->tls))
        resumed++;
    if (settings.resume && !*session)
        *session = SSL_get1_session(connection->tls);
    return quit(connection);
}

static bool attempt_message(struct connection *connection, SSL_SESSION **session, double *seconds)
{
    (void)session;
    double const start = seconds_now();
    if (!open_as_set(connection, NULL) ||
        (settings.tls && !connection_ask(connection, EHLO, 250)) ||
        !message_send(&message, connection))
        return false;
    *seconds = seconds_now() - start;
    return quit(connection);
}

/* --- the clients --- */

/* Says what failed, the first few times. */
static void note_failure(struct connection const *connection)
{
    if (failures++ < 5)
        fprintf(stderr, "bench_client: %s, the last reply was %d\n",
                connection->failure ? connection->failure : "no memory", connection->code);
}

static void *run_client(void *unused)
{
    struct connection connection;
    SSL_SESSION *session = NULL;
    double seconds;
    pthread_barrier_wait(&barrier);
    while (failures < FAILURES_MAX) {
        if (end_time > 0 ? seconds_now() > end_time : begun++ >= settings.count)
            break;
        if (!attempt_one(&connection, &session, &seconds)) {
            note_failure(&connection);
        } else {
            unsigned long const number = completed++;
            if (number < TIMES_MAX)
                times[number] = seconds;
        }
        connection_close(&connection);
    }
    SSL_SESSION_free(session);
    return unused;
}

/* Returns how long it took; *START is when they began. */
static double run_clients(double *start)
{
    pthread_t *const threads = calloc(settings.clients, sizeof *threads);
    pthread_attr_t attributes;
    if (!threads || pthread_barrier_init(&barrier, NULL, (unsigned int)settings.clients + 1) ||
        pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, STACK))
        die("no memory");
    for (unsigned long i = 0; i < settings.clients; i++)
        if (pthread_create(threads + i, &attributes, run_client, NULL) != 0)
            die("no thread");
    *start = seconds_now();
    end_time = settings.seconds > 0 ? *start + settings.seconds : 0;
    pthread_barrier_wait(&barrier);
    for (unsigned long i = 0; i < settings.clients; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return seconds_now() - *start;
}

/* --- what is printed --- */

static int compare(void const *a, void const *b)
{
    double const left = *(double const *)a, right = *(double const *)b;
    return (left > right) - (left < right);
}

static void print_times(unsigned long count)
{
    if (count > TIMES_MAX)
        count = TIMES_MAX;
    if (count == 0)
        return;
    qsort(times, count, sizeof *times, compare);
    printf("p50-ms=%.3f\np90-ms=%.3f\np99-ms=%.3f\nmax-ms=%.3f\n", 1000 * times[count / 2],
           1000 * times[count * 9 / 10], 1000 * times[count * 99 / 100], 1000 * times[count - 1]);
}

static void print_results(double start, double seconds)
{
    struct rusage usage;
    unsigned long const count = completed;
    getrusage(RUSAGE_SELF, &usage);
    double const cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("begun=%.6f\nconnections=%lu\nseconds=%.3f\na-second=%.1f\n", start, count, seconds,
           (double)count / seconds);
    if (attempt_one == attempt_message)
        printf("mb-a-second=%.2f\n", (double)count * (double)settings.size / 1e6 / seconds);
    if (attempt_one == attempt_handshake)
        printf("resumed=%lu\n", resumed);
    print_times(count);
    printf("client-cpu-ms=%.4f\nerrors=%lu\n", count ? 1000 * cpu / (double)count : 0, failures);
}

/* --- idle connections --- */

static void hold_connections(void)
{
    struct connection *const all = calloc(settings.clients, sizeof *all);
    char byte;
    if (!all)
        die("no memory");
    double const start = seconds_now();
    for (unsigned long i = 0; i < settings.clients; i++) {
        all[i].socket = -1;
        if (failures >= FAILURES_MAX)
            continue;
        if (open_as_set(all + i, NULL))
            completed++;
        else
            note_failure(all + i);
    }
    printf("connections=%lu\nseconds=%.3f\nerrors=%lu\nready\n", completed, seconds_now() - start,
           failures);
    fflush(stdout);
    ssize_t count;
    while ((count = read(0, &byte, 1)) > 0 || (count < 0 && errno == EINTR))
        ;
    for (unsigned long i = 0; i < settings.clients; i++)
        connection_close(all + i);
    free(all);
}

/* --- start --- */

static SSL_CTX *make_context(void)
{
    SSL_CTX *const context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set1_groups_list(context, "P-256") != 1)
        die("openssl");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL); /* not what is measured */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

static unsigned long number_of(char const *text, unsigned long max)
{
    char *end;
    unsigned long const number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number < 1 || number > max)
        die("a number is too small, too large, or none");
    return number;
}

static void read_server(char const *text)
{
    char address[INET_ADDRSTRLEN] = "";
    char const *const colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof address)
        die("the server is ADDRESS:PORT");
    memcpy(address, text, (size_t)(colon - text));
    if (inet_pton(AF_INET, address, &settings.server.sin_addr) != 1)
        die("the server is ADDRESS:PORT");
    settings.server.sin_port = htons((uint16_t)number_of(colon + 1, 65535));
}

static void read_options(int argc, char **argv)
{
    static struct option const options[] = {
        {"clients", 1, NULL, 'c'}, {"count", 1, NULL, 'n'},    {"seconds", 1, NULL, 's'},
        {"size", 1, NULL, 'l'},    {"deadline", 1, NULL, 'd'}, {"recipients", 1, NULL, 'r'},
        {"to", 1, NULL, 't'},      {"ehlo", 0, NULL, 'e'},     {"tls", 0, NULL, 'T'},
        {"resume", 0, NULL, 'R'},  {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            settings.clients = number_of(optarg, CLIENTS_MAX);
            break;
        case 'n':
            settings.count = number_of(optarg, 1000000000);
            break;
        case 's':
            settings.seconds = (double)number_of(optarg, 86400);
            break;
        case 'd':
            settings.deadline = (double)number_of(optarg, 86400);
            break;
        case 'r':
            settings.recipients = number_of(optarg, 1000000);
            break;
        case 'l':
            settings.size = number_of(optarg, (unsigned long)1 << 40);
            break;
        case 't':
            settings.to = optarg;
            break;
        case 'e':
            settings.ehlo = true;
            break;
        case 'T':
            settings.tls = true;
            break;
        case 'R':
            settings.resume = true;
            break;
        default:
            exit(2);
        }
    }
    if (optind != argc - 2)
        die("usage: bench_client MODE [OPTION...] ADDRESS:PORT");
    if (!settings.count)
        settings.count = settings.clients;
    read_server(argv[optind + 1]);
}

static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit");
    if (limit.rlim_cur < settings.clients + 100)
        limit.rlim_cur = settings.clients + 100;
    if (limit.rlim_max < limit.rlim_cur)
        limit.rlim_max = limit.rlim_cur; /* root may */
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("so many clients need more open files (ulimit -n)");
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    char const *const mode = argv[optind];
    bool const idle = strcmp(mode, "idle") == 0;
    if (!strcmp(mode, "connections") || !strcmp(mode, "greeting"))
        attempt_one = attempt_connection;
    else if (!strcmp(mode, "handshakes"))
        attempt_one = attempt_handshake;
    else if (!strcmp(mode, "send"))
        attempt_one = attempt_message;
    else if (!idle)
        die("no such mode");
    if (attempt_one == attempt_handshake)
        settings.tls = true;
    signal(SIGPIPE, SIG_IGN);
    allow_many_files();
    if (settings.tls)
        tls_context = make_context();
    if (attempt_one == attempt_message)
        settings.ehlo = true;
    if (attempt_one == attempt_message &&
        !message_make(&message, settings.size, settings.to, settings.recipients))
        die("no such message: 100 bytes at least, and --to NAME@DOMAIN");
    if (idle) {
        hold_connections();
    } else {
        times = calloc(TIMES_MAX, sizeof *times);
        if (!times)
            die("no memory");
        double start;
        double const seconds = run_clients(&start);
        print_results(start, seconds);
    }
    return failures > 0;
}
