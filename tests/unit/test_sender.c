/* lib/sender.h: each message arrives once, whatever the socket takes at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/unixmessage.h>

#include "lib/sender.h"

enum { MESSAGES = 5, LONG = 200000, BUFFER = 1 << 18 };

static char body[LONG], main_buffer[BUFFER], extra_buffer[2048];

static unsigned int descriptors_open(void)
{
    unsigned int count = 0;
    for (int i = 0; i < 200; i++)
        count += fcntl(i, F_GETFD) >= 0;
    return count;
}

static void put(unixmessage_sender *sender, char first, size_t length)
{
    int passed = open("/dev/null", O_RDONLY);
    memset(body, first, length);
    unixmessage const message = {.s = body, .len = length, .fds = &passed, .nfds = 1};
    assert_true(unixmessage_put_and_close(sender, &message, unixmessage_bits_closeall));
}

/* A small buffer takes a long message in pieces. */
static void test_each_once(void **state)
{
    unixmessage_sender sender = UNIXMESSAGE_SENDER_ZERO;
    unixmessage_receiver receiver;
    unixmessage message;
    int ends[2], size = 4096, received = 0;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    unixmessage_sender_init(&sender, ends[0]);
    assert_true(unixmessage_receiver_init(&receiver, ends[1], main_buffer, sizeof main_buffer,
                                          extra_buffer, sizeof extra_buffer));
    unsigned int const before = descriptors_open();
    for (int i = 0; i < MESSAGES; i++)
        put(&sender, (char)('a' + i), i % 2 ? 10 : LONG);
    for (bool empty = false; !empty;) {
        empty = sender_flush(&sender);
        while (unixmessage_receive(&receiver, &message) > 0) {
            assert_int_equal(message.s[0], 'a' + received);
            assert_int_equal(message.len, received % 2 ? 10 : LONG);
            assert_int_equal(message.nfds, 1);
            close(message.fds[0]);
            received++;
        }
    }
    assert_int_equal(received, MESSAGES);
    assert_int_equal(descriptors_open(), before);
    unixmessage_sender_free(&sender);
    unixmessage_receiver_free(&receiver);
    close(ends[0]);
    close(ends[1]);
}

/* The descriptors of what went out in part are closed once: the number may be somebody else's. */
static void test_freed_in_between(void **state)
{
    unixmessage_sender sender = UNIXMESSAGE_SENDER_ZERO;
    int ends[2], size = 4096;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    unixmessage_sender_init(&sender, ends[0]);
    put(&sender, 'a', LONG);
    assert_false(sender_flush(&sender));
    int const others = open("/dev/null", O_RDONLY);
    unixmessage_sender_free(&sender);
    assert_true(fcntl(others, F_GETFD) >= 0);
}

int main(void)
{
    struct CMUnitTest const tests[] = {cmocka_unit_test(test_each_once),
                                       cmocka_unit_test(test_freed_in_between)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
