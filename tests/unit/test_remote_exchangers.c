/* deliver/remote_exchangers.h: what is tried, and in which order. The DNS is a list here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/remote_exchangers.h"

/* One record: an MX's host, or an address. */
struct record {
    char const *name;
    enum dns_type type;
    unsigned int preference;
    char const *value;
};
/* An answer that is not "no such name". */
struct state {
    char const *name;
    enum dns_type type;
    enum dns_status status;
};

struct zone {
    struct record const *records;
    size_t count;
    struct state const *states;
    size_t state_count;
    unsigned int asked;
    size_t asked_at_once;
};

static void take_value(struct dns_record *record, struct record const *from)
{
    record->preference = (uint16_t)from->preference;
    if (from->type == DNS_MX) {
        record->text = from->value;
        record->length = strlen(from->value);
    } else {
        assert_true(ip46_scan(from->value, &record->ip) > 0);
    }
}

static void answer_one(struct zone const *zone, struct dns_question const *question,
                       struct dns_answer *answer)
{
    bool exists = false;
    *answer = (struct dns_answer){.status = DNS_NO_NAME, .bytes = STRALLOC_ZERO};
    answer->records = calloc(zone->count + 1, sizeof *answer->records);
    assert_non_null(answer->records);
    for (size_t i = 0; i < zone->count; i++) {
        if (strcmp(zone->records[i].name, question->name) != 0)
            continue;
        exists = true;
        if (zone->records[i].type == question->type)
            take_value(answer->records + answer->count++, zone->records + i);
    }
    answer->status = answer->count ? DNS_OK : exists ? DNS_NO_DATA : DNS_NO_NAME;
    for (size_t i = 0; i < zone->state_count; i++)
        if (!strcmp(zone->states[i].name, question->name) && zone->states[i].type == question->type)
            answer->status = zone->states[i].status;
    if (answer->status == DNS_TEMPORARY)
        answer->reason = "SERVFAIL";
}

static void ask(void *context, struct dns_question const *questions, struct dns_answer *answers,
                size_t count, tain const *deadline)
{
    struct zone *const zone = context;
    (void)deadline;
    assert_true(count <= DNS_ASK_MAX);
    zone->asked++;
    zone->asked_at_once = count;
    for (size_t i = 0; i < count; i++)
        answer_one(zone, questions + i, answers + i);
}

static unsigned int seed;

static void fill_random(void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1103515245u + 12345u;
        ((unsigned char *)bytes)[i] = (unsigned char)(seed >> 16);
    }
}

/* One look-up's surroundings and result. */
struct fixture {
    struct zone zone;
    struct networks more, not ;
    struct network more_entry, not_entry;
    ip46 interface;
    struct remote_ourselves ourselves;
    struct remote_world world;
    struct remote_candidates candidates;
    struct failure failure;
};

static void start(struct fixture *fixture, struct record const *records, size_t count)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->zone.records = records;
    fixture->zone.count = count;
    assert_true(ip46_scan("203.0.113.1", &fixture->interface) > 0);
    fixture->ourselves =
        (struct remote_ourselves){&fixture->interface, 1, &fixture->more, &fixture->not };
    fixture->world = (struct remote_world){ask, &fixture->zone, fill_random, &fixture->ourselves};
}
#define START(fixture, records) start(fixture, records, sizeof records / sizeof *records)

static bool find_way(struct fixture *fixture, char const *host, bool by_mx)
{
    tain const deadline = TAIN_ZERO;
    return remote_exchangers_find(&fixture->candidates, &fixture->world, host, by_mx, &deadline,
                                  &fixture->failure);
}

static bool find(struct fixture *fixture, char const *host)
{
    return find_way(fixture, host, true);
}

static void assert_candidate(struct fixture const *fixture, unsigned int index, char const *host,
                             char const *ip)
{
    char text[IP46_FMT + 1];
    assert_true(index < fixture->candidates.count);
    text[ip46_fmt(text, &fixture->candidates.entries[index].ip)] = 0;
    assert_string_equal(text, ip);
    assert_string_equal(fixture->candidates.entries[index].host, host);
}

static void assert_fails(struct fixture *fixture, char const *host, bool by_mx,
                         enum job_result result, char const *code)
{
    char start_of[16];
    if (find_way(fixture, host, by_mx))
        fail_msg("%s: leads to %s", host, fixture->candidates.entries[0].host);
    assert_int_equal(fixture->candidates.count, 0);
    snprintf(start_of, sizeof start_of, "%s ", code);
    if (fixture->failure.result != result ||
        strncmp(fixture->failure.text, start_of, strlen(start_of)) != 0)
        fail_msg("%s: %c %s", host, fixture->failure.result, fixture->failure.text);
}

static void the_best_comes_first(void **state)
{
    (void)state;
    static struct record const records[] = {
        {"a.test", DNS_MX, 30, "three.test"},  {"a.test", DNS_MX, 10, "one.test"},
        {"a.test", DNS_MX, 20, "two.test"},    {"a.test", DNS_MX, 20, "two.test"},
        {"one.test", DNS_A, 0, "192.0.2.1"},   {"one.test", DNS_AAAA, 0, "2001:db8::1"},
        {"two.test", DNS_A, 0, "192.0.2.2"},   {"three.test", DNS_AAAA, 0, "2001:db8::3"},
        {"three.test", DNS_A, 0, "192.0.2.1"},
    };
    struct fixture fixture;
    START(&fixture, records);
    assert_true(find(&fixture, "A.Test"));
    assert_int_equal(fixture.candidates.count, 4);
    assert_candidate(&fixture, 0, "one.test", "2001:db8::1");
    assert_candidate(&fixture, 1, "one.test", "192.0.2.1");
    assert_candidate(&fixture, 2, "two.test", "192.0.2.2");
    assert_candidate(&fixture, 3, "three.test", "2001:db8::3");
    assert_int_equal(fixture.zone.asked, 2); /* and all addresses at once */
    assert_int_equal(fixture.zone.asked_at_once, 6);
}

static void equal_ones_are_shuffled(void **state)
{
    (void)state;
    static struct record const records[] = {
        {"a.test", DNS_MX, 10, "x.test"},  {"a.test", DNS_MX, 10, "y.test"},
        {"x.test", DNS_A, 0, "192.0.2.1"}, {"y.test", DNS_A, 0, "192.0.2.2"},
        {"b.test", DNS_A, 0, "192.0.2.3"}, {"b.test", DNS_A, 0, "192.0.2.4"},
    };
    struct fixture fixture;
    unsigned int x_first = 0, third_first = 0;
    START(&fixture, records);
    for (unsigned int i = 0; i < 1000; i++) {
        assert_true(find(&fixture, "a.test"));
        assert_int_equal(fixture.candidates.count, 2);
        x_first += !strcmp(fixture.candidates.entries[0].host, "x.test");
        assert_true(find(&fixture, "b.test"));
        assert_int_equal(fixture.candidates.count, 2);
        third_first += fixture.candidates.entries[0].ip.ip[3] == 3;
    }
    assert_in_range(x_first, 400, 600);
    assert_in_range(third_first, 400, 600);
}

static void without_an_mx_the_domain_is_its_own(void **state)
{
    (void)state;
    static struct record const records[] = {
        {"a.test", DNS_A, 0, "192.0.2.1"},
        {"six.test", DNS_AAAA, 0, "2001:db8::6"},
        {"xn--bcher-kva.test", DNS_A, 0, "192.0.2.7"},
        {"no-address.test", DNS_TXT, 0, "192.0.2.8"},
    };
    struct fixture fixture;
    START(&fixture, records);
    assert_true(find(&fixture, "a.test"));
    assert_candidate(&fixture, 0, "a.test", "192.0.2.1");
    assert_true(find(&fixture, "six.test"));
    assert_candidate(&fixture, 0, "six.test", "2001:db8::6");
    assert_true(find(&fixture, "B\303\274cher.test"));
    assert_candidate(&fixture, 0, "xn--bcher-kva.test", "192.0.2.7");
    assert_fails(&fixture, "no-address.test", true, JOB_FAILED, "5.4.4");
    assert_fails(&fixture, "nothing.test", true, JOB_FAILED, "5.1.2");
    assert_fails(&fixture, "no domain", true, JOB_FAILED, "5.1.2");
    assert_fails(&fixture, "a..test", true, JOB_FAILED, "5.1.2");
    assert_fails(&fixture, "\303\274\377.test", true, JOB_FAILED, "5.1.2");
}

static void a_null_mx_takes_nothing(void **state)
{
    (void)state;
    static struct record const records[] = {
        {"null.test", DNS_MX, 0, ""},       {"null.test", DNS_A, 0, "192.0.2.1"},
        {"mixed.test", DNS_MX, 0, ""},      {"mixed.test", DNS_MX, 10, "mx.test"},
        {"mx.test", DNS_A, 0, "192.0.2.2"},
    };
    struct fixture fixture;
    START(&fixture, records);
    assert_fails(&fixture, "null.test", true, JOB_FAILED, "5.1.10");
    assert_true(find(&fixture, "mixed.test"));
    assert_candidate(&fixture, 0, "mx.test", "192.0.2.2");
}

static void what_dns_cannot_say_now_waits(void **state)
{
    (void)state;
    static struct record const records[] = {
        {"a.test", DNS_MX, 10, "gone.test"},   {"a.test", DNS_MX, 20, "broken.test"},
        {"b.test", DNS_MX, 10, "gone.test"},   {"b.test", DNS_MX, 10, "bad host"},
        {"c.test", DNS_MX, 10, "broken.test"}, {"c.test", DNS_MX, 20, "mx.test"},
        {"mx.test", DNS_A, 0, "192.0.2.2"},
    };
    static struct state const states[] = {{"mx-fails.test", DNS_MX, DNS_TEMPORARY},
                                          {"broken.test", DNS_A, DNS_TEMPORARY},
                                          {"bad.test", DNS_MX, DNS_BAD_NAME},
                                          {"mx.test", DNS_AAAA, DNS_TEMPORARY}};
    struct fixture fixture;
    START(&fixture, records);
    fixture.zone.states = states;
    fixture.zone.state_count = sizeof states / sizeof *states;
    assert_fails(&fixture, "mx-fails.test", true, JOB_UNREACHABLE, "4.4.3");
    assert_non_null(strstr(fixture.failure.text, "SERVFAIL"));
    assert_fails(&fixture, "a.test", true, JOB_UNREACHABLE, "4.4.3");
    assert_fails(&fixture, "b.test", true, JOB_FAILED, "5.4.4");
    assert_fails(&fixture, "bad.test", true, JOB_FAILED, "5.1.2");
    assert_true(find(&fixture, "c.test")); /* what is known is used */
    assert_int_equal(fixture.candidates.count, 1);
    assert_candidate(&fixture, 0, "mx.test", "192.0.2.2");
}

static void mail_does_not_come_back_to_us(void **state)
{
    (void)state;
    static struct record const records[] = {
        {"best.test", DNS_MX, 10, "us.test"},      {"best.test", DNS_MX, 20, "other.test"},
        {"equal.test", DNS_MX, 10, "us.test"},     {"equal.test", DNS_MX, 10, "other.test"},
        {"second.test", DNS_MX, 10, "other.test"}, {"second.test", DNS_MX, 20, "us.test"},
        {"second.test", DNS_MX, 30, "third.test"}, {"broken.test", DNS_MX, 10, "fails.test"},
        {"broken.test", DNS_MX, 20, "us.test"},    {"us.test", DNS_A, 0, "192.0.2.99"},
        {"us.test", DNS_A, 0, "203.0.113.1"},      {"other.test", DNS_A, 0, "192.0.2.1"},
        {"third.test", DNS_A, 0, "192.0.2.3"},     {"zero.test", DNS_A, 0, "0.0.0.0"},
        {"loop.test", DNS_A, 0, "127.8.9.1"},      {"loop6.test", DNS_AAAA, 0, "::1"},
        {"zero6.test", DNS_AAAA, 0, "::"},         {"mapped.test", DNS_AAAA, 0, "::ffff:7f00:1"},
        {"nat.test", DNS_A, 0, "198.51.100.7"},
    };
    static struct state const states[] = {{"fails.test", DNS_A, DNS_TEMPORARY}};
    static char const *const ours[] = {"best.test",     "equal.test",  "zero.test",
                                       "loop.test",     "loop6.test",  "zero6.test",
                                       "mapped.test",   "[127.0.0.1]", "[IPv6:::1]",
                                       "[203.0.113.1]", "[0.0.0.0]",   "[IPv6:::ffff:203.0.113.1]"};
    struct fixture fixture;
    START(&fixture, records);
    fixture.zone.states = states;
    fixture.zone.state_count = 1;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        for (unsigned int again = 0; again < 20; again++)
            assert_fails(&fixture, ours[i], true, JOB_FAILED, "5.4.6");
    assert_true(find(&fixture, "second.test"));
    assert_int_equal(fixture.candidates.count, 1);
    assert_candidate(&fixture, 0, "other.test", "192.0.2.1");
    assert_fails(&fixture, "broken.test", true, JOB_UNREACHABLE, "4.4.3");

    assert_true(find(&fixture, "nat.test"));
    assert_true(network_parse("198.51.100.0/24", 15, &fixture.more_entry));
    fixture.more = (struct networks){&fixture.more_entry, 1, 1};
    assert_fails(&fixture, "nat.test", true, JOB_FAILED, "5.4.6");

    assert_true(network_parse("0.0.0.0/0", 9, &fixture.not_entry));
    fixture.not = (struct networks){&fixture.not_entry, 1, 1};
    assert_true(find(&fixture, "nat.test"));
    assert_true(find(&fixture, "best.test"));
    assert_true(find(&fixture, "loop.test"));
    assert_true(find(&fixture, "mapped.test"));
    assert_fails(&fixture, "zero.test", true, JOB_FAILED, "5.4.6");
}

static void a_route_may_lead_anywhere(void **state)
{
    (void)state;
    static struct record const records[] = {
        {"relay.test", DNS_MX, 10, "other.test"},
        {"relay.test", DNS_A, 0, "127.0.0.1"},
        {"none.test", DNS_MX, 10, "other.test"},
        {"other.test", DNS_A, 0, "192.0.2.1"},
    };
    static struct state const states[] = {{"broken.test", DNS_AAAA, DNS_TEMPORARY}};
    struct fixture fixture;
    START(&fixture, records);
    fixture.zone.states = states;
    fixture.zone.state_count = 1;
    assert_true(find_way(&fixture, "relay.test", false));
    assert_int_equal(fixture.candidates.count, 1);
    assert_candidate(&fixture, 0, "relay.test", "127.0.0.1");
    assert_true(find_way(&fixture, "127.0.0.1", false));
    assert_candidate(&fixture, 0, "127.0.0.1", "127.0.0.1");
    assert_true(find_way(&fixture, "::1", false));
    assert_candidate(&fixture, 0, "::1", "::1");
    unsigned int const asked = fixture.zone.asked;
    assert_true(find_way(&fixture, "LocalHost", false));
    assert_int_equal(fixture.candidates.count, 2);
    assert_candidate(&fixture, 0, "localhost", "::1");
    assert_candidate(&fixture, 1, "localhost", "127.0.0.1");
    assert_int_equal(fixture.zone.asked, asked);
    assert_fails(&fixture, "localhost", true, JOB_FAILED, "5.1.2");
    assert_fails(&fixture, "none.test", false, JOB_DEFERRED, "4.3.5");
    assert_fails(&fixture, "nothing.test", false, JOB_DEFERRED, "4.3.5");
    assert_fails(&fixture, "a..b", false, JOB_DEFERRED, "4.3.5");
    assert_fails(&fixture, "broken.test", false, JOB_UNREACHABLE, "4.4.3");
}

static void literals_are_addresses(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, NULL, 0);
    assert_true(find(&fixture, "[192.0.2.1]"));
    assert_candidate(&fixture, 0, "192.0.2.1", "192.0.2.1");
    assert_true(find(&fixture, "[ipv6:2001:db8::1]"));
    assert_candidate(&fixture, 0, "2001:db8::1", "2001:db8::1");
    assert_int_equal(fixture.zone.asked, 0);
    assert_fails(&fixture, "[192.0.2]", true, JOB_FAILED, "5.1.2");
    assert_fails(&fixture, "[relay.test]", true, JOB_FAILED, "5.1.2");
    assert_fails(&fixture, "192.0.2.1", true, JOB_FAILED, "5.1.2");
}

/* 50 hosts, each with 10 addresses of both kinds. */
static void tries_are_bounded_and_fair(void **state)
{
    (void)state;
    enum { HOSTS = 50, ADDRESSES = 10, ALL = HOSTS * (1 + 2 * ADDRESSES) };
    static struct record records[ALL + 2 * 250];
    static char names[HOSTS][16], ips[ALL + 500][32];
    struct fixture fixture;
    size_t count = 0;
    for (unsigned int host = 0; host < HOSTS; host++) {
        snprintf(names[host], sizeof names[host], "h%u.test", host);
        records[count++] = (struct record){"a.test", DNS_MX, host, names[host]};
        for (unsigned int i = 0; i < ADDRESSES; i++) {
            snprintf(ips[count], sizeof *ips, "192.0.%u.%u", host, i);
            records[count] = (struct record){names[host], DNS_A, 0, ips[count]};
            count++;
            snprintf(ips[count], sizeof *ips, "2001:db8::%x:%x", host, i + 1);
            records[count] = (struct record){names[host], DNS_AAAA, 0, ips[count]};
            count++;
        }
    }
    for (unsigned int i = 0; i < 250; i++) {
        snprintf(ips[count], sizeof *ips, "198.51.100.%u", i);
        records[count] = (struct record){"many.test", DNS_A, 0, ips[count]};
        count++;
        snprintf(ips[count], sizeof *ips, "2001:db8:1::%x", i + 1);
        records[count] = (struct record){"many.test", DNS_AAAA, 0, ips[count]};
        count++;
    }
    start(&fixture, records, count);
    assert_true(find(&fixture, "a.test"));
    assert_int_equal(fixture.candidates.count, REMOTE_ADDRESSES_MAX);
    for (unsigned int i = 0; i < REMOTE_ADDRESSES_MAX; i++) {
        assert_string_equal(fixture.candidates.entries[i].host, names[i / 2]);
        assert_int_equal(ip46_is6(&fixture.candidates.entries[i].ip), i % 2 == 0);
    }
    assert_true(find(&fixture, "many.test")); /* 500 addresses of one host */
    assert_int_equal(fixture.candidates.count, REMOTE_ADDRESSES_MAX);
    for (unsigned int i = 0; i < REMOTE_ADDRESSES_MAX; i++)
        assert_int_equal(ip46_is6(&fixture.candidates.entries[i].ip), i % 2 == 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(the_best_comes_first),
        cmocka_unit_test(equal_ones_are_shuffled),
        cmocka_unit_test(without_an_mx_the_domain_is_its_own),
        cmocka_unit_test(a_null_mx_takes_nothing),
        cmocka_unit_test(what_dns_cannot_say_now_waits),
        cmocka_unit_test(mail_does_not_come_back_to_us),
        cmocka_unit_test(a_route_may_lead_anywhere),
        cmocka_unit_test(literals_are_addresses),
        cmocka_unit_test(tries_are_bounded_and_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
