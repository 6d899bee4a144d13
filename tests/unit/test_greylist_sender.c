#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "judge/greylist_sender.h"

static void assert_becomes(char const *sender, char const *expected)
{
    char out[GREYLIST_SENDER_MAX + 1];
    greylist_sender(out, sender);
    assert_string_equal(out, expected);
}

static void test_plain(void **state)
{
    (void)state;
    assert_becomes("", "");
    assert_becomes("John.Doe@Example.ORG", "john.doe@example.org");
    assert_becomes("user7@example.org", "user7@example.org");
    assert_becomes("a@b", "a@b");
    assert_becomes("@example.org", "@example.org");
    assert_becomes("nodomain", "nodomain");
    assert_becomes("\"a b\"@x@example.org", "\"a b\"@x@example.org");
    assert_becomes("m\xc3\xbcller@m\xc3\xbcller.example", "m\xc3\xbcller@m\xc3\xbcller.example");
    assert_becomes("+tag@example.org", "+tag@example.org");
    assert_becomes("user+tag@example.org", "user@example.org");
}

static void test_batv(void **state)
{
    (void)state;
    assert_becomes("prvs=1234abcdef=user@example.org", "user@example.org");
    assert_becomes("PRVS=0987654321=User@example.org", "user@example.org");
    assert_becomes("btv1==09b2e5d0c1a==user@example.org", "user@example.org");
    assert_becomes("msprvs1=17734x_4s7k2a=bounces-4102@example.org", "bounces-#@example.org");
    /* Not of that form: nothing is taken away. */
    assert_becomes("prvs=user@example.org", "prvs=user@example.org");
    assert_becomes("prvs=1234=@example.org", "prvs=#=@example.org");
}

static void test_srs(void **state)
{
    (void)state;
    assert_becomes("SRS0=HHHH=TT=host.example=user@relay.example",
                   "srs0=host.example=user@relay.example");
    assert_becomes("srs0+Abc1=2X=host.example=user+x@relay.example",
                   "srs0+host.example=user+x@relay.example");
    assert_becomes("SRS1=GGGG=first.example==HHHH=TT=host.example=user@second.example",
                   "srs1=first.example==host.example=user@second.example");
    assert_becomes("SRS0=HHHH@relay.example", "srs0=hhhh@relay.example");
    assert_becomes("SRS1=GGGG@relay.example", "srs1=gggg@relay.example");
    assert_becomes("SRS1=GGGG=first.example==@relay.example", "srs1=first.example==@relay.example");
    assert_becomes("SRS0==@relay.example", "srs0==@relay.example");
}

/* One list, several messages: one sender. */
static void test_verp(void **state)
{
    static char const *const same[][3] = {
        {"list-return-2203-user=host.example@lists.example",
         "list-return-2204-user=host.example@lists.example",
         "list-return-#-user=host.example@lists.example"},
        {"0102018f3b2c7d1e-4f3a9c12-7b11-4a5e-9c3d-1f2e3d4c5b6a-000000@eu-west-1.amazonses.com",
         "0102018f3b2c9a77-dead-beef-cafe-feed-abcdefabcdef-000000@eu-west-1.amazonses.com",
         "#@eu-west-1.amazonses.com"},
        {"bounces+1234567-ab12-user=host.example@em1234.sender.example",
         "bounces+7654321-ffff-user=host.example@em1234.sender.example",
         "bounces@em1234.sender.example"},
        {"bounce-md_30850198.5fe1a2b3.v1-0f8e7d6c5b4a@mandrill.example",
         "bounce-md_30850198.5fe1ffff.v1-aaaabbbbcccc@mandrill.example",
         "bounce-md_#.v1-#@mandrill.example"},
        {"3QWERTYZUIOPASDFGHJKLYX-bounce@google.example",
         "3AQWERTYZUIOPASDFGHJKLY-bounce@google.example", "#-bounce@google.example"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_becomes(same[i][0], same[i][2]);
        assert_becomes(same[i][1], same[i][2]);
    }
}

static void test_bounds(void **state)
{
    char sender[2 * GREYLIST_SENDER_MAX], out[GREYLIST_SENDER_MAX + 1];
    (void)state;
    for (size_t length = 0; length < sizeof sender; length += 7) {
        for (unsigned int form = 0; form < 5; form++) {
            memset(sender, "x1-=@"[form], length);
            sender[length] = 0;
            greylist_sender(out, sender);
            assert_true(strlen(out) <= length);
            if (length > 20) {
                memcpy(sender, "srs1=prvs=btv1==1==+", 20);
                greylist_sender(out, sender);
                greylist_sender(out, sender + 5);
                greylist_sender(out, sender + 10);
            }
        }
    }
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_plain), cmocka_unit_test(test_batv),   cmocka_unit_test(test_srs),
        cmocka_unit_test(test_verp),  cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
