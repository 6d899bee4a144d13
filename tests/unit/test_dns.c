#include "control_folder.h"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <time.h>

#include <skalibs/tai.h>

#include "lib/dns_packet.h"

#define HEADER 12

/* --- the servers --- */

static void load(struct folder *folder, struct dns_servers *servers, char const *resolv_conf)
{
    char path[128];
    if (resolv_conf)
        folder_write(folder, "resolv.conf", resolv_conf);
    snprintf(path, sizeof path, "%s/resolv.conf", folder->path);
    assert_int_equal(dns_servers_load(servers, &folder->control, path, &folder->error), CONTROL_OK);
}

static void assert_server(struct dns_servers const *servers, unsigned int index, char const *ip,
                          uint16_t port, bool trusted)
{
    char text[IP46_FMT] = "";
    struct dns_server const *server = servers->servers + index;
    assert_true(index < servers->count);
    text[ip46_fmt(text, &server->ip)] = 0;
    assert_string_equal(text, ip);
    assert_int_equal(server->port, port);
    assert_int_equal(server->trusted, trusted);
}

static void test_servers_of_the_control_file(void **state)
{
    struct dns_servers servers;
    folder_write(*state, "nameservers",
                 "192.0.2.53\n 127.0.0.1:5353\n[2001:db8::53]:54\ttrusted\n::1\n"
                 "::ffff:192.0.2.1  trusted\n[2001:db8::1]\n");
    load(*state, &servers, "nameserver 192.0.2.99\n");
    assert_int_equal(servers.count, 6);
    assert_server(&servers, 0, "192.0.2.53", 53, false);
    assert_server(&servers, 1, "127.0.0.1", 5353, true);
    assert_server(&servers, 2, "2001:db8::53", 54, true);
    assert_server(&servers, 3, "::1", 53, true);
    assert_server(&servers, 4, "192.0.2.1", 53, true);
    assert_server(&servers, 5, "2001:db8::1", 53, false);
}

static void test_servers_of_resolv_conf(void **state)
{
    struct dns_servers servers;
    folder_write(*state, "nameservers", "# none\n");
    load(*state, &servers,
         "# nameserver 192.0.2.1\n;nameserver 192.0.2.2\noptions trust-ad edns0\nsearch a b\n"
         "nameserver\nnameserver \t 192.0.2.53 # ours\r\nnameserver fe80::1%eth0\n"
         "nameserver 127.0.0.53\n nameserver 2001:db8::53\nnameservers 192.0.2.3\n"
         "nameserver 192.0.2.54:53\nnameserver 192.0.2.55");
    assert_int_equal(servers.count, 4);
    assert_server(&servers, 0, "192.0.2.53", 53, false);
    assert_server(&servers, 1, "127.0.0.53", 53, true);
    assert_server(&servers, 2, "2001:db8::53", 53, false);
    assert_server(&servers, 3, "192.0.2.55", 53, false);
}

static void test_servers_when_nothing_names_one(void **state)
{
    struct dns_servers servers;
    load(*state, &servers, NULL);
    assert_int_equal(servers.count, 1);
    assert_server(&servers, 0, "127.0.0.1", 53, true);
    load(*state, &servers, "search example.test\n");
    assert_server(&servers, 0, "127.0.0.1", 53, true);
}

static void test_a_resolv_conf_of_any_size(void **state)
{
    struct dns_servers servers;
    enum { LINES = 5000 };
    static char text[LINES * sizeof "nameserver 192.0.2.1\n"];
    for (int i = 0; i < LINES; i++)
        strcat(text + (size_t)i * (sizeof "nameserver 192.0.2.1\n" - 1), "nameserver 192.0.2.1\n");
    load(*state, &servers, text);
    assert_int_equal(servers.count, DNS_SERVERS_MAX);
}

static void test_a_resolv_conf_that_cannot_be_read(void **state)
{
    struct folder *folder = *state;
    struct dns_servers servers = {.count = 7};
    assert_int_equal(dns_servers_load(&servers, &folder->control, folder->path, &folder->error),
                     CONTROL_ERROR);
    assert_int_equal(servers.count, 7);
    assert_non_null(strstr(folder->error.text, "make it readable"));
}

/* --- names --- */

static void test_names(void **state)
{
    static struct {
        char const *name, *expected;
    } const cases[] = {
        {".", "."},
        {"Example.TEST.", "example.test"},
        {"_25._tcp.mx", "_25._tcp.mx"},
        {"a\\.b.test", "a\\.b.test"},
        {"a\\;b\\010", "a\\;b\\010"},
        {"a;b", "a\\;b"},
        {"\\097", "a"},
        {"", NULL},
        {"..", NULL},
        {"a..b", NULL},
        {".a", NULL},
        {"a b", NULL},
        {"a\t", NULL},
        {"\xc3\xa4", NULL},
        {"a\x7f", NULL},
        {"\\256", NULL},
        {"a\\", NULL},
        {"012345678901234567890123456789012345678901234567890123456789012.a",
         "012345678901234567890123456789012345678901234567890123456789012.a"},
        {"0123456789012345678901234567890123456789012345678901234567890123.a", NULL},
    };
    char name[DNS_NAME_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool const good = dns_query_name(name, cases[i].name);
        assert_int_equal(good, cases[i].expected != NULL);
        if (good)
            assert_string_equal(name, cases[i].expected);
    }
}

static void test_the_longest_name(void **state)
{
    /* 127 labels of one byte that is written as four: 255 bytes on the wire. */
    char text[127 * 5 + 3] = "", name[DNS_NAME_MAX];
    unsigned char packet[DNS_QUERY_MAX];
    struct dns_query query = {.type = DNS_MX, .edns = true};
    (void)state;
    for (int i = 0; i < 127; i++)
        strcat(text, "\\001.");
    assert_true(dns_query_name(query.name, text));
    assert_int_equal(dns_query_build(packet, &query), DNS_QUERY_MAX);
    strcat(text, "a");
    assert_false(dns_query_name(name, text));
}

static void test_reverse_names(void **state)
{
    char name[DNS_REVERSE_MAX], bytes[16];
    ip46 ip = IP46_ZERO;
    (void)state;
    inet_pton(AF_INET, "192.0.2.25", bytes);
    ip46_from_ip4(&ip, bytes);
    dns_reverse_name(name, &ip);
    assert_string_equal(name, "25.2.0.192.in-addr.arpa");
    inet_pton(AF_INET6, "2001:db8::567:89ab", bytes);
    ip46_from_ip6(&ip, bytes);
    dns_reverse_name(name, &ip);
    assert_string_equal(name,
                        "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

/* --- packets --- */

struct packet {
    struct dns_query query;
    unsigned char bytes[DNS_PACKET_MAX];
    size_t length;
    unsigned int counts[3];
};

static struct packet packet; /* too large for a stack */

static void put(void const *bytes, size_t length)
{
    assert_true(packet.length + length <= sizeof packet.bytes);
    memcpy(packet.bytes + packet.length, bytes, length);
    packet.length += length;
}

static void put16(unsigned int number)
{
    unsigned char const bytes[] = {(unsigned char)(number >> 8), (unsigned char)number};
    put(bytes, sizeof bytes);
}

/* An answer to the question for NAME, without records yet. */
static void begin(char const *name, enum dns_type type)
{
    packet.query = (struct dns_query){.type = type, .id = 0xa55a};
    assert_true(dns_query_name(packet.query.name, name));
    packet.length = dns_query_build(packet.bytes, &packet.query);
    packet.bytes[2] |= 0x80;
    packet.bytes[3] = 0x80;
    memset(packet.counts, 0, sizeof packet.counts);
}

/* A record of SECTION (0: answer, 1: authority, 2: additional). OWNER and DATA are wire form. */
static void record(unsigned int section, char const *owner, unsigned int type, unsigned int ttl_top,
                   void const *data, size_t length)
{
    put(owner, *owner & '\xc0' ? 2 : strlen(owner) + 1);
    put16(type);
    put16(1);
    put16(ttl_top);
    put16(0);
    put16((unsigned int)length);
    put(data, length);
    packet.counts[section]++;
    packet.bytes[6 + 2 * section] = (unsigned char)(packet.counts[section] >> 8);
    packet.bytes[7 + 2 * section] = (unsigned char)packet.counts[section];
}

static enum dns_verdict parse(struct dns_answer *answer)
{
    bool authenticated = false;
    *answer = (struct dns_answer){.bytes = STRALLOC_ZERO};
    return dns_packet_parse(&packet.query, answer, &authenticated, packet.bytes, packet.length);
}

static enum dns_verdict verdict(void)
{
    struct dns_answer answer;
    enum dns_verdict const result = parse(&answer);
    dns_answer_free(&answer);
    return result;
}

#define QUESTION "\xc0\x0c" /* a pointer to the name that was asked for */
#define A_TEST   "\1a\4test"
#define B_TEST   "\1b\4test"
#define C_TEST   "\1c\4test"

static void test_chains_in_any_order(void **state)
{
    struct dns_answer answer;
    (void)state;
    begin("a.test", DNS_A);
    record(0, C_TEST, DNS_A, 0, "\12\0\0\1", 4);
    record(0, B_TEST, DNS_CNAME, 0, "\1C\4TEST", 8);
    record(0, A_TEST, DNS_CNAME, 0, B_TEST, 8);
    record(0, "\1x\4test", DNS_A, 0, "\12\0\0\2", 4);
    assert_int_equal(parse(&answer), DNS_VERDICT_RECORDS);
    assert_int_equal(answer.count, 1);
    assert_memory_equal(answer.records[0].ip.ip, "\12\0\0\1", 4);
    assert_string_equal(packet.query.name, "a.test");
    dns_answer_free(&answer);
    dns_answer_free(&answer);
}

static void test_an_alias_to_go_on_with(void **state)
{
    (void)state;
    begin("a.test", DNS_A);
    record(0, QUESTION, DNS_CNAME, 0, B_TEST, 8);
    record(0, B_TEST, DNS_CNAME, 0, "\1C\4TEST", 8);
    assert_int_equal(verdict(), DNS_VERDICT_ALIAS);
    assert_string_equal(packet.query.name, "c.test");
    assert_int_equal(packet.query.links, 2);
    begin("a.test", DNS_A);
    record(0, QUESTION, DNS_CNAME, 0, "", 1);
    assert_int_equal(verdict(), DNS_VERDICT_ALIAS);
    assert_string_equal(packet.query.name, ".");
    begin("a.test", DNS_A);
    packet.query.links = DNS_CNAME_MAX;
    record(0, QUESTION, DNS_CNAME, 0, B_TEST, 8);
    assert_int_equal(verdict(), DNS_VERDICT_CHAIN);
}

static void test_contradictions(void **state)
{
    (void)state;
    begin("a.test", DNS_A);
    assert_int_equal(verdict(), DNS_VERDICT_NO_DATA);
    packet.bytes[3] |= 3;
    assert_int_equal(verdict(), DNS_VERDICT_NO_NAME);
    record(0, QUESTION, DNS_CNAME, 0, B_TEST, 8); /* the end of the chain does not exist */
    assert_int_equal(verdict(), DNS_VERDICT_NO_NAME);
    record(0, B_TEST, DNS_TXT, 0, "\1x", 2);
    assert_int_equal(verdict(), DNS_VERDICT_MALFORMED);
    record(0, B_TEST, DNS_A, 0, "\12\0\0\2", 4);
    assert_int_equal(verdict(), DNS_VERDICT_MALFORMED);
    begin("a.test", DNS_A);
    record(0, B_TEST, DNS_A, 0, "\12\0\0\2", 4);
    assert_int_equal(verdict(), DNS_VERDICT_MALFORMED);
    begin("a.test", DNS_A);
    record(0, QUESTION, DNS_TXT, 0, "\1x", 2);
    assert_int_equal(verdict(), DNS_VERDICT_NO_DATA);
}

static void test_referrals_and_codes(void **state)
{
    (void)state;
    begin("a.test", DNS_A);
    record(1, "\4test", 2, 0, B_TEST, 8);
    assert_int_equal(verdict(), DNS_VERDICT_FAILED);
    record(1, "\4test", 6, 0, "\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1", 22);
    assert_int_equal(verdict(), DNS_VERDICT_NO_DATA);
    begin("a.test", DNS_A); /* BADVERS: its upper bits are in OPT */
    record(2, "", 41, 0x0100, "", 0);
    packet.query.edns = true;
    assert_int_equal(verdict(), DNS_VERDICT_NO_EDNS);
    packet.query.edns = false;
    assert_int_equal(verdict(), DNS_VERDICT_FAILED);
    begin("a.test", DNS_A); /* truncated: what else is in it does not count */
    packet.bytes[2] |= 2;
    packet.bytes[7] = 9;
    assert_int_equal(verdict(), DNS_VERDICT_TRUNCATED);
    /* Without the question only a failure is believed. */
    begin("a.test", DNS_A);
    packet.bytes[3] |= 5;
    packet.bytes[5] = 0;
    packet.length = HEADER;
    assert_int_equal(verdict(), DNS_VERDICT_FAILED);
    packet.bytes[3] = 0x83;
    assert_int_equal(verdict(), DNS_VERDICT_STRANGER);
    packet.bytes[3] = 0x80;
    assert_int_equal(verdict(), DNS_VERDICT_STRANGER);
}

static void test_every_cut_of_an_answer(void **state)
{
    (void)state;
    begin("a.test", DNS_MX);
    record(0, QUESTION, DNS_MX, 0, "\0\5" B_TEST, 10);
    record(1, "\4test", 2, 0, B_TEST, 8);
    size_t const whole = packet.length;
    assert_int_equal(verdict(), DNS_VERDICT_RECORDS);
    for (packet.length = 0; packet.length < whole; packet.length++) {
        /* In memory of its own, so that a sanitizer sees what is read beyond. */
        unsigned char *copy = malloc(packet.length + 1);
        struct dns_answer answer = {.bytes = STRALLOC_ZERO};
        bool authenticated;
        assert_non_null(copy);
        memcpy(copy, packet.bytes, packet.length);
        enum dns_verdict const result =
            dns_packet_parse(&packet.query, &answer, &authenticated, copy, packet.length);
        assert_true(result == DNS_VERDICT_STRANGER || result == DNS_VERDICT_MALFORMED);
        assert_null(answer.records);
        free(copy);
    }
}

static void test_texts_are_bounded(void **state)
{
    static unsigned char text[60000];
    struct dns_answer answer;
    (void)state;
    for (size_t i = 0; i < sizeof text; i += 250)
        text[i] = 249;
    begin("a.test", DNS_TXT);
    record(0, QUESTION, DNS_TXT, 0, text, sizeof text);
    assert_int_equal(parse(&answer), DNS_VERDICT_RECORDS);
    assert_int_equal(answer.records[0].length, sizeof text - sizeof text / 250);
    dns_answer_free(&answer);
    /* 1000 names that become four times as long: what does not fit is left out. */
    char name[2 + 252] = "\0\1";
    for (size_t i = 2; i < 2 + 250; i += 2)
        memcpy(name + i, "\1\1", 2);
    begin("a.test", DNS_MX);
    while (packet.length + 12 + sizeof name < sizeof packet.bytes)
        record(0, QUESTION, DNS_MX, 0, name, sizeof name - 1);
    assert_int_equal(parse(&answer), DNS_VERDICT_RECORDS);
    assert_true(answer.count > 50);
    assert_true(answer.bytes.len <= DNS_BYTES_MAX);
    for (size_t i = 0; i < answer.count; i++)
        assert_int_equal(strlen(answer.records[i].text), 125 * 5 - 1);
    dns_answer_free(&answer);
}

/* The dearest packet that we could think of: as many records as are looked at, the owner of each a
 * chain of pointers as long as there is room, and a pass for each link of a chain of CNAMEs. */
static void test_a_packet_that_is_dear_to_read(void **state)
{
    enum { POINTERS = 7000 };
    static unsigned char pointers[2 * POINTERS];
    struct timespec time;
    (void)state;
    begin("l0.test", DNS_A);
    for (char i = '0'; i < '7'; i++) {
        char owner[] = "\2l0\4test", target[] = "\2l0\4test";
        owner[2] = i;
        target[2] = (char)(i + 1);
        record(0, owner, DNS_CNAME, 0, target, sizeof target);
    }
    size_t const start = packet.length + 11;
    for (size_t i = 1; i < POINTERS; i++) {
        size_t const before = start + 2 * (i - 1);
        pointers[2 * i] = (unsigned char)(0xc0 | before >> 8);
        pointers[2 * i + 1] = (unsigned char)before;
    }
    pointers[0] = 0xc0;
    pointers[1] = HEADER;
    record(0, "", DNS_TXT, 0, pointers, sizeof pointers);
    size_t const last = start + 2 * (POINTERS - 1);
    char const owner[] = {(char)(0xc0 | last >> 8), (char)last, 0};
    for (int i = 0; i < 1700; i++)
        record(0, owner, DNS_AAAA, 0, "0123456789abcdef", 16);
    assert_int_equal(verdict(), DNS_VERDICT_ALIAS);
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
    assert_true(time.tv_sec < 30);
}

/* --- asking when that is impossible --- */

static void assert_temporary(struct dns_servers const *servers, size_t count)
{
    struct dns_question questions[DNS_ASK_MAX + 1];
    struct dns_answer answers[DNS_ASK_MAX + 1];
    tain deadline;
    for (size_t i = 0; i < count; i++)
        questions[i] = (struct dns_question){"a.test", DNS_A};
    tain_now_set_stopwatch_g();
    tain_addsec_g(&deadline, 60);
    dns_ask(servers, questions, answers, count, &deadline);
    assert_true(tain_future(&deadline));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(answers[i].status, DNS_TEMPORARY);
        assert_non_null(answers[i].reason);
        assert_false(answers[i].authenticated);
        dns_answer_free(answers + i);
    }
}

static void test_asking_without_sockets(void **state)
{
    struct dns_servers servers = {.count = 1};
    struct rlimit limit, none;
    (void)state;
    servers.servers[0] = (struct dns_server){.port = 1};
    ip46_from_ip4(&servers.servers[0].ip, IP4_LOCAL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_temporary(&servers, 3);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void test_asking_too_much_or_nobody(void **state)
{
    struct dns_servers servers = {.count = 0};
    (void)state;
    assert_temporary(&servers, DNS_ASK_MAX + 1);
    assert_temporary(&servers, 1);
    assert_temporary(&servers, 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_servers_of_the_control_file, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_servers_of_resolv_conf, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_servers_when_nothing_names_one, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_a_resolv_conf_of_any_size, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_a_resolv_conf_that_cannot_be_read, folder_make,
                                        folder_remove),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_the_longest_name),
        cmocka_unit_test(test_reverse_names),
        cmocka_unit_test(test_chains_in_any_order),
        cmocka_unit_test(test_an_alias_to_go_on_with),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_referrals_and_codes),
        cmocka_unit_test(test_every_cut_of_an_answer),
        cmocka_unit_test(test_texts_are_bounded),
        cmocka_unit_test(test_a_packet_that_is_dear_to_read),
        cmocka_unit_test(test_asking_without_sockets),
        cmocka_unit_test(test_asking_too_much_or_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
