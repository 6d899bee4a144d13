#include "control_folder.h"

#include <sys/random.h>
#include <sys/wait.h>

#include "judge/greylist.h"

#define NOW    UINT64_C(1800000000000000)
#define SECOND UINT64_C(1000000)
#define DAY    (86400 * SECOND)

static struct greylist_settings settings;
static struct memory memory;
static struct folder *folder, *control;
static struct finding finding;

static void configure(char const *text)
{
    folder_write(control, "greylist", text);
    assert_int_equal(greylist_settings_load(&settings, &control->control, &control->error),
                     CONTROL_OK);
}

static int open_all(void **state)
{
    void *other;
    if (folder_make(&other) != 0 || folder_make(state) != 0)
        return -1;
    control = other;
    folder = *state;
    configure("");
    memory_open(&memory, folder->control.directory, false);
    return memory.usable ? 0 : -1;
}

static int close_all(void **state)
{
    memory_close(&memory);
    void *other = control;
    return folder_remove(&other) == 0 && folder_remove(state) == 0 ? 0 : -1;
}

static enum finding_verdict ask_as(uint64_t now, char const *client, char const *sender,
                                   char const *recipient, char const *spf)
{
    ip46 ip;
    assert_true(ip46_scan(client, &ip) > 0);
    greylist_ask(&finding, &settings, &memory, now, &ip, sender, recipient, spf);
    assert_string_equal(finding.rule, "greylist");
    return finding.verdict;
}

static enum finding_verdict ask(uint64_t now, char const *client)
{
    return ask_as(now, client, "a@remote.example", "u@local.example", "");
}

#define assert_deferred(verdict) assert_int_equal(verdict, FINDING_DEFER)
#define assert_passes(verdict, word)                                                               \
    do {                                                                                           \
        assert_int_equal(verdict, FINDING_NOTHING);                                                \
        assert_string_equal(finding.text, word);                                                   \
    } while (0)

static void test_a_triplet(void **state)
{
    (void)state;
    assert_deferred(ask(NOW, "192.0.2.1"));
    assert_int_equal(finding.number, 451);
    assert_string_equal(finding.status, "4.7.1");
    assert_non_null(strstr(finding.text, "try again in 5 minutes"));
    assert_string_equal(finding.place, "greylist");
    assert_deferred(ask(NOW + 250 * SECOND, "192.0.2.99"));
    assert_non_null(strstr(finding.text, "try again in 50 seconds"));
    assert_deferred(ask(NOW + 300 * SECOND - 1, "192.0.2.1"));
    assert_non_null(strstr(finding.text, "try again in 1 second"));
    assert_passes(ask(NOW + 300 * SECOND, "192.0.2.1"), "passed");
    assert_passes(ask(NOW + 300 * SECOND, "192.0.2.1"), "known");
    assert_passes(ask(NOW + 36 * DAY, "192.0.2.1"), "known");
    /* The look a day ago has prolonged it. */
    assert_passes(ask(NOW + 71 * DAY, "192.0.2.1"), "known");
    assert_deferred(ask(NOW + 108 * DAY, "192.0.2.1"));
}

static void test_window(void **state)
{
    (void)state;
    configure("delay 1m\nwindow 2h\nttl 3d\n");
    assert_deferred(ask(NOW, "192.0.2.1"));
    assert_string_equal(finding.place, "greylist:1");
    assert_deferred(ask(NOW + 7201 * SECOND, "192.0.2.1"));
    assert_passes(ask(NOW + 7261 * SECOND, "192.0.2.1"), "passed");
    assert_deferred(ask(NOW + 7261 * SECOND + 3 * DAY, "192.0.2.1"));
}

static void test_what_counts(void **state)
{
    (void)state;
    configure("allowance 0");
    assert_deferred(ask(NOW, "192.0.2.1"));
    uint64_t const later = NOW + 301 * SECOND;
    assert_deferred(ask_as(later, "192.0.3.1", "a@remote.example", "u@local.example", ""));
    assert_deferred(ask_as(later, "192.0.2.1", "b@remote.example", "u@local.example", ""));
    assert_deferred(ask_as(later, "192.0.2.1", "a@remote.example", "v@local.example", ""));
    assert_deferred(ask_as(later, "192.0.2.1", "", "u@local.example", ""));
    assert_passes(ask_as(later, "::ffff:c000:24d", "A+b@remote.EXAMPLE", "U@Local.example", ""),
                  "passed");
    assert_passes(ask_as(later + 400 * SECOND, "192.0.2.1", "", "u@local.example", ""), "passed");
    /* IPv6 by /64 */
    assert_deferred(ask(later, "2001:db8:0:1::1"));
    assert_deferred(ask(later + 400 * SECOND, "2001:db8:0:2::1"));
    assert_passes(ask(later + 400 * SECOND, "2001:db8:0:1:ffff::1"), "passed");
    configure("network4 32\nnetwork6 128\n");
    assert_deferred(ask(later + 400 * SECOND, "192.0.2.1"));
    assert_deferred(ask(later + 1000 * SECOND, "192.0.2.2"));
    assert_passes(ask(later + 1000 * SECOND, "192.0.2.1"), "passed");
}

static void test_spf(void **state)
{
    (void)state;
    assert_deferred(ask_as(NOW, "192.0.2.1", "a@b.example", "u@local.example", "pass"));
    configure("# who proves who he is\nspf 1\n");
    assert_passes(ask_as(NOW, "192.0.2.1", "a@b.example", "u@local.example", "pass"), "spf");
    assert_string_equal(finding.place, "greylist:2");
    assert_deferred(ask_as(NOW, "192.0.2.1", "a@b.example", "u@local.example", "softfail"));
}

static void test_allowance(void **state)
{
    char sender[40];
    (void)state;
    configure("allowance 3");
    for (unsigned int i = 0; i < 3; i++)
        for (unsigned int again = 0; again < 3; again++) {
            snprintf(sender, sizeof sender, "%c@remote.example", 'a' + (char)i);
            uint64_t const now = NOW + i * SECOND + again * 200 * SECOND;
            enum finding_verdict const verdict =
                ask_as(now, "192.0.2.1", sender, "u@local.example", "");
            assert_int_equal(verdict, again == 2 ? FINDING_NOTHING : FINDING_DEFER);
        }
    assert_passes(ask_as(NOW + DAY, "192.0.2.5", "new@b.example", "u@local.example", ""),
                  "network");
    assert_string_equal(finding.place, "greylist:1");
    assert_deferred(ask_as(NOW + DAY, "192.0.3.5", "new@b.example", "u@local.example", ""));
    /* It is forgotten with its last triplet. */
    assert_passes(ask_as(NOW + 36 * DAY, "192.0.2.5", "new@b.example", "u@local.example", ""),
                  "network");
    assert_deferred(ask_as(NOW + 73 * DAY, "192.0.2.5", "new@b.example", "u@local.example", ""));
}

static void test_clock(void **state)
{
    (void)state;
    assert_deferred(ask(NOW, "192.0.2.1"));
    /* Set back: nobody waits for longer than the delay. */
    assert_deferred(ask(NOW - 3600 * SECOND, "192.0.2.1"));
    assert_non_null(strstr(finding.text, "5 minutes"));
    assert_passes(ask(NOW - 3300 * SECOND, "192.0.2.1"), "passed");
    assert_passes(ask(NOW - 30 * DAY, "192.0.2.1"), "known");
    assert_deferred(ask(NOW - 1000 * DAY, "192.0.2.1"));
    /* Forward: it is as if nobody had come for so long. */
    assert_deferred(ask(NOW + 1000 * DAY, "192.0.2.1"));
}

/* Looks only: what would happen, and nothing changes. */
static void test_read_only(void **state)
{
    struct memory kept = memory;
    (void)state;
    memory_open(&memory, folder->control.directory, true);
    assert_true(memory.usable);
    assert_deferred(ask(NOW, "192.0.2.1"));
    assert_deferred(ask(NOW + 301 * SECOND, "192.0.2.1"));
    memory_close(&memory);
    assert_int_equal(access("kept", F_OK), -1);
    struct memory const empty = kept;
    memory = empty;
    assert_deferred(ask(NOW, "192.0.2.1"));
    kept = memory;
    memory_open(&memory, folder->control.directory, true);
    assert_passes(ask(NOW + 301 * SECOND, "192.0.2.1"), "passed");
    assert_passes(ask(NOW + 301 * SECOND, "192.0.2.1"), "passed");
    memory_close(&memory);
    memory = kept;
    assert_passes(ask(NOW + 301 * SECOND, "192.0.2.1"), "passed");
    memory_close(&memory);
    memory_open(&memory, folder->control.directory, true);
    assert_passes(ask(NOW + 301 * SECOND, "192.0.2.1"), "known");
}

/* What cannot be remembered is no reason to refuse mail, nor to wait for it. */
static void test_without_memory(void **state)
{
    (void)state;
    int const saved = dup(2), null = open("/dev/null", O_WRONLY);
    dup2(null, 2);
    assert_int_equal(mkdir("kept.bad", 0700), 0);
    assert_int_equal(mkdir("kept", 0700), 0);
    assert_int_equal(mkdir("kept.bad/x", 0700), 0);
    assert_int_equal(ask(NOW, "192.0.2.1"), FINDING_UNKNOWN);
    assert_int_equal(ask(NOW, "192.0.2.1"), FINDING_UNKNOWN);
    dup2(saved, 2);
    close(saved);
    close(null);
    assert_int_equal(rmdir("kept.bad/x"), 0);
}

static void assert_refused(char const *text, char const *start, char const *part)
{
    folder_write(control, "greylist", text);
    assert_int_equal(greylist_settings_load(&settings, &control->control, &control->error),
                     CONTROL_ERROR);
    folder_assert_error_part(control, start, part);
}

static void test_settings(void **state)
{
    (void)state;
    configure("# a sample\n");
    assert_false(settings.present);
    configure("spf 0\n");
    assert_true(settings.present);
    assert_int_equal(settings.values[GREYLIST_DELAY], 300);
    assert_int_equal(settings.values[GREYLIST_WINDOW], 14400);
    assert_int_equal(settings.values[GREYLIST_TTL], 36 * 86400);
    configure("delay\t5m\nwindow 1d\n# x\nttl 40d\nallowance 7\nnetwork4 16\nnetwork6 48\nspf 1\n");
    assert_int_equal(settings.values[GREYLIST_TTL], 40 * 86400);
    assert_int_equal(settings.lines[GREYLIST_TTL], 4);
    assert_int_equal(settings.values[GREYLIST_NETWORK6], 48);
    assert_refused("\ndelay", "greylist:2: ", "expected delay DURATION");
    assert_refused("delay 0", "greylist:1: ", "expected delay DURATION");
    assert_refused("delay 5 m", "greylist:1: ", "expected delay DURATION");
    assert_refused("delay -5", "greylist:1: ", "expected delay DURATION");
    assert_refused("delay 99999999999999999999d", "greylist:1: ", "expected delay DURATION");
    assert_refused("delay 2d", "greylist:1: ", "expected delay DURATION");
    assert_refused("spf yes", "greylist:1: ", "spf 0 or spf 1");
    assert_refused("network4 33", "greylist:1: ", "8 to 32 bits");
    assert_refused("spf 1\nspf 1\n", "greylist:2: ", "there is a line for it above");
    assert_refused("dealy 5", "greylist:1: ", "expected delay, window");
    assert_refused("delay 5h\n", "greylist: ", "longer than the delay");
    assert_refused("ttl 1h\n", "greylist: ", "longer than the window");
    unlinkat(control->control.directory, "greylist", 0);
    assert_int_equal(greylist_settings_load(&settings, &control->control, &control->error),
                     CONTROL_ABSENT);
    assert_false(settings.present);
}

int main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test_setup_teardown(test_a_triplet, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_window, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_what_counts, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_spf, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_allowance, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_clock, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_read_only, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_without_memory, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_settings, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
