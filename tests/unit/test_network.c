#include "control_folder.h"

#include <arpa/inet.h>

#include <skalibs/stralloc.h>

#include "lib/network.h"

static enum control_result load(struct folder *folder, struct networks *networks,
                                unsigned int minimum4, unsigned int minimum6)
{
    return networks_load(networks, &folder->control, "list", minimum4, minimum6, &folder->error);
}

static bool holds(struct networks const *networks, char const *address)
{
    ip46 ip = IP46_ZERO;
    char bytes[16];
    if (inet_pton(AF_INET, address, bytes) == 1) {
        ip46_from_ip4(&ip, bytes);
    } else {
        assert_int_equal(inet_pton(AF_INET6, address, bytes), 1);
        ip46_from_ip6(&ip, bytes);
    }
    return networks_contain(networks, &ip);
}

static void test_parse_good(void **state)
{
    static struct {
        char const *text;
        unsigned int prefix;
        bool excluded;
    } const cases[] = {
        {"192.0.2.1", 128, false},    {"192.0.2.0/24", 120, false},
        {"!192.0.2.7", 128, true},    {"0.0.0.0/0", 96, false},
        {"192.0.2.1/32", 128, false}, {"2001:db8::/32", 32, false},
        {"2001:DB8::1", 128, false},  {"::/0", 0, false},
        {"::1/128", 128, false},      {"!::ffff:192.0.2.0/120", 120, true},
        {"fe80::/10", 10, false},     {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 128, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct network network;
        assert_true(network_parse(cases[i].text, strlen(cases[i].text), &network));
        assert_int_equal(network.prefix, cases[i].prefix);
        assert_int_equal(network.excluded, cases[i].excluded);
    }
}

static void test_parse_bad(void **state)
{
    static char const *const cases[] = {
        "",
        "!",
        "/",
        "/24",
        "192.0.2",
        "192.0.2.",
        "192.0.2.0.",
        "192.0.2.256",
        "192.0.02.1",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/024",
        "192.0.2.0/+24",
        "192.0.2.0/-1",
        "192.0.2.0/2 4",
        "192.0.2.0/24/24",
        "192.0.2.1/24",
        "192.0.2.0/255.255.255.0",
        "!!192.0.2.1",
        "! 192.0.2.1",
        "192.0.2.1-192.0.2.9",
        "192.0.2.*",
        "localhost",
        "2001:db8::1/32",
        "2001:db8::/129",
        "2001:db8::/999999999999",
        "2001:db8:::1",
        "fe80::1%eth0",
        "[::1]",
        "::g",
        "*",
        "1111:1111:1111:1111:1111:1111:1111:1111:1111",
        "192.0.2.1 # office",
        "1111111111111111111111111111111111111111111111111111111111111111111111111111"};
    struct network network;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (network_parse(cases[i], strlen(cases[i]), &network))
            fail_msg("accepted: %s", cases[i]);
    assert_false(network_parse("192.0.2.1\0", 10, &network));
}

static void test_longest_prefix_decides(void **state)
{
    struct folder *folder = *state;
    struct networks networks;
    folder_write(folder, "list",
                 "!192.0.2.7\n192.0.2.0/24\n!192.0.2.128/25\n192.0.2.130\n"
                 "2001:db8::/32\n!2001:db8:1::/48\n2001:db8:1::1\n::1\n127.0.0.0/8\n");
    assert_int_equal(load(folder, &networks, 8, 16), CONTROL_OK);
    assert_true(holds(&networks, "192.0.2.1"));
    assert_true(holds(&networks, "::ffff:192.0.2.1"));
    assert_false(holds(&networks, "192.0.2.7"));
    assert_false(holds(&networks, "::ffff:192.0.2.7"));
    assert_true(holds(&networks, "192.0.2.127"));
    assert_false(holds(&networks, "192.0.2.128"));
    assert_true(holds(&networks, "192.0.2.130"));
    assert_false(holds(&networks, "192.0.2.255"));
    assert_false(holds(&networks, "192.0.1.255"));
    assert_false(holds(&networks, "192.0.3.0"));
    assert_true(holds(&networks, "2001:db8::"));
    assert_true(holds(&networks, "2001:db8:ffff::1"));
    assert_false(holds(&networks, "2001:db8:1::2"));
    assert_true(holds(&networks, "2001:db8:1::1"));
    assert_false(holds(&networks, "2001:db9::"));
    assert_true(holds(&networks, "::1"));
    assert_false(holds(&networks, "::"));
    assert_false(holds(&networks, "::192.0.2.1")); /* compatible, not mapped: another address */
    assert_true(holds(&networks, "127.255.255.255"));
    assert_false(holds(&networks, "128.0.0.0"));
    networks_free(&networks);
}

static void test_of_equals_the_last(void **state)
{
    struct folder *folder = *state;
    struct networks networks;
    folder_write(folder, "list",
                 "192.0.2.0/24\n!192.0.2.0/24\n!198.51.100.1\n198.51.100.1\n!198.51.100.1\n"
                 "198.51.100.1/32\n");
    assert_int_equal(load(folder, &networks, 0, 0), CONTROL_OK);
    assert_int_equal(networks.count, 2);
    assert_false(holds(&networks, "192.0.2.1"));
    assert_true(holds(&networks, "198.51.100.1"));
    networks_free(&networks);
}

static void test_absent_and_empty(void **state)
{
    struct folder *folder = *state;
    struct networks networks;
    assert_int_equal(load(folder, &networks, 8, 16), CONTROL_ABSENT);
    assert_false(holds(&networks, "127.0.0.1"));
    folder_write(folder, "list", "");
    assert_int_equal(load(folder, &networks, 8, 16), CONTROL_OK);
    assert_false(holds(&networks, "127.0.0.1"));
    assert_false(holds(&networks, "::"));
    networks_free(&networks);
}

/* No line of relayclients may open the relay for everybody. */
static void test_too_wide(void **state)
{
    static char const *const wide[] = {"0.0.0.0/0",
                                       "0.0.0.0/1",
                                       "128.0.0.0/1",
                                       "10.0.0.0/7",
                                       "::/0",
                                       "::/8",
                                       "2000::/3",
                                       "2000::/15",
                                       "::ffff:0:0/96",
                                       "::ffff:0.0.0.0/96",
                                       "::ffff:128.0.0.0/97",
                                       "::ffff:10.0.0.0/103",
                                       "64:ff9b::/96",
                                       "64:ff9b::/90",
                                       "64::/16",
                                       "64:ff9b::/100",
                                       "2002::/16",
                                       "2002:c000::/20",
                                       "fc00::/6",
                                       "f000::/4",
                                       "fe00::/9"};
    static char const *const narrow[] = {"10.0.0.0/8",
                                         "::ffff:10.0.0.0/104",
                                         "2001::/16",
                                         "fc00::/7",
                                         "fd00::/8",
                                         "fe80::/10",
                                         "!0.0.0.0/0",
                                         "!::/0",
                                         "!::ffff:0:0/96",
                                         "2002:c000:200::/40",
                                         "64:ff9b::192.0.2.0/120",
                                         "::1"};
    struct folder *folder = *state;
    struct networks networks = {.count = 77};
    char line[64];
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        snprintf(line, sizeof line, "192.0.2.1\n%s\n", wide[i]);
        folder_write(folder, "list", line);
        if (load(folder, &networks, 8, 16) != CONTROL_ERROR)
            fail_msg("accepted: %s", wide[i]);
        snprintf(line, sizeof line, "got `%s`: ", wide[i]);
        folder_assert_error_part(folder, "list:2: expected a range not wider than /8", line);
        folder_assert_error_part(folder, "list:2: ", "open relay");
        assert_int_equal(networks.count, 77);
    }
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++) {
        snprintf(line, sizeof line, "%s\n", narrow[i]);
        folder_write(folder, "list", line);
        if (load(folder, &networks, 8, 16) != CONTROL_OK)
            fail_msg("refused: %s", folder->error.text);
        networks_free(&networks);
    }
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        snprintf(line, sizeof line, "%s\n", wide[i]);
        folder_write(folder, "list", line);
        assert_int_equal(load(folder, &networks, 0, 0), CONTROL_OK);
        networks_free(&networks);
    }
}

/* A range written as IPv6 that spans the mapped addresses holds no IPv4 address. */
static void test_wide_ipv6_holds_no_ipv4(void **state)
{
    static char const *const lines[] = {"::/0\n", "::/16\n", "::/80\n", "::/64\n",
                                        "::fffe:0:0/95\n"};
    struct folder *folder = *state;
    struct networks networks;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        folder_write(folder, "list", lines[i]);
        assert_int_equal(load(folder, &networks, 0, 0), CONTROL_OK);
        assert_false(holds(&networks, "192.0.2.1"));
        assert_false(holds(&networks, "::ffff:192.0.2.1"));
        assert_false(holds(&networks, "127.0.0.1"));
        networks_free(&networks);
    }
    folder_write(folder, "list", "::/0\n0.0.0.0/0\n");
    assert_int_equal(load(folder, &networks, 0, 0), CONTROL_OK);
    assert_true(holds(&networks, "192.0.2.1"));
    assert_true(holds(&networks, "2001:db8::1"));
    assert_true(holds(&networks, "::"));
    assert_true(holds(&networks, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_true(holds(&networks, "255.255.255.255"));
    networks_free(&networks);
}

static void test_messages(void **state)
{
    struct folder *folder = *state;
    struct networks networks;
    folder_write(folder, "list", "# office\n192.0.2.9/24\n");
    assert_int_equal(load(folder, &networks, 8, 16), CONTROL_ERROR);
    folder_assert_error_part(folder, "list:2: expected an address or a range",
                             "got `192.0.2.9/24`: bits beyond the prefix are set; the whole range "
                             "is 192.0.2.0/24");
    folder_write(folder, "list", "!2001:db8::1/32\n");
    assert_int_equal(load(folder, &networks, 8, 16), CONTROL_ERROR);
    folder_assert_error_part(folder, "list:1: ", "the whole range is !2001:db8::/32");
    folder_write(folder, "list", "192.0.2.1 # office\n");
    assert_int_equal(load(folder, &networks, 8, 16), CONTROL_ERROR);
    folder_assert_error_part(folder, "list:1: ", "a comment needs a line of its own");
}

/* The plain reading of the rule, to compare with: look at each entry in turn. */
static bool holds_slowly(struct network const *entries, size_t count, ip46 const *ip)
{
    int longest = -1;
    bool inside = false;
    for (size_t i = 0; i < count; i++) {
        unsigned char address[16] = {[10] = 0xff, [11] = 0xff};
        bool same = true;
        if (ip46_is6(ip))
            memcpy(address, ip->ip, 16);
        else
            memcpy(address + 12, ip->ip, 4);
        for (unsigned int bit = 0; same && bit < entries[i].prefix; bit++)
            same = !((address[bit / 8] ^ entries[i].address[bit / 8]) & (128 >> bit % 8));
        if (same && entries[i].prefix >= longest) {
            longest = entries[i].prefix;
            inside = !entries[i].excluded;
        }
    }
    return inside;
}

static void test_against_the_plain_reading(void **state)
{
    enum { COUNT = 3000 };
    static struct network entries[COUNT];
    struct folder *folder = *state;
    struct networks networks;
    stralloc text = STRALLOC_ZERO;
    char line[80];
    srand(1);
    /* Few bits vary, so that the ranges overlap a lot. */
    for (size_t i = 0; i < COUNT; i++) {
        uint32_t prefix = 14 + (uint32_t)rand() % 19;
        uint32_t address = 0x0a000000u | ((uint32_t)rand() & 0x00030303u);
        address &= 0xffffffffu << (32 - prefix);
        int size =
            snprintf(line, sizeof line, "%s%u.%u.%u.%u/%u\n", rand() % 2 ? "!" : "", address >> 24,
                     address >> 16 & 255, address >> 8 & 255, address & 255, prefix);
        assert_true(network_parse(line, (size_t)size - 1, entries + i));
        assert_true(stralloc_catb(&text, line, (size_t)size));
    }
    folder_write_bytes(folder, "list", text.s, text.len);
    assert_int_equal(load(folder, &networks, 8, 16), CONTROL_OK);
    size_t inside = 0;
    for (unsigned int i = 0; i < 4000; i++) {
        ip46 ip = IP46_ZERO;
        char bytes[4] = {10, (char)(rand() % 5), (char)(rand() % 5), (char)(rand() % 5)};
        ip46_from_ip4(&ip, bytes);
        bool expected = holds_slowly(entries, COUNT, &ip);
        assert_int_equal(networks_contain(&networks, &ip), expected);
        inside += expected;
    }
    assert_in_range(inside, 400, 3600); /* or this test says nothing */
    stralloc_free(&text);
    networks_free(&networks);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_parse_good),
        cmocka_unit_test(test_parse_bad),
        cmocka_unit_test_setup_teardown(test_longest_prefix_decides, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_of_equals_the_last, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_absent_and_empty, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_too_wide, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_wide_ipv6_holds_no_ipv4, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_messages, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_against_the_plain_reading, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
