/* The client's address as super-servers write it. What is not an address to the letter is none: it
 * decides on relaying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/client.h"

static void is_read(void **state)
{
    static char const *const rows[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:db8::1", "2001:db8::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::ffff:c000:201", "192.0.2.1"},
        {"fe80::1%eth0", "fe80::1"},
        {"383.0.0.1", NULL},
        {"127.0.0.257", NULL},
        {"127.0.0.1.2", NULL},
        {"127.0.0.1 ", NULL},
        {"127.0.0.1%eth0", NULL},
        {"127.1", NULL},
        {"::1::", NULL},
        {"%eth0", NULL},
        {"", NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[IP46_FMT + 1];
        ip46 ip;
        bool const found = client_address(rows[i][0], &ip);
        assert_int_equal(found, rows[i][1] != NULL);
        if (!found)
            continue;
        text[ip46_fmt(text, &ip)] = 0;
        assert_string_equal(text, rows[i][1]);
    }
    assert_false(client_address(NULL, NULL));
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
