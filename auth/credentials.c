#include "auth/credentials.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/types.h>

static long long milliseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* True when DESCRIPTOR can be read (or is at its end) before END. */
static bool wait_for_bytes(int descriptor, long long end)
{
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};
    for (;;) {
        long long const left = end - milliseconds_now();
        int const polled = poll(&ready, 1, left > 0 ? (int)left : 0);
        if (polled > 0)
            return true;
        if (polled == 0)
            errno = ETIMEDOUT;
        if (polled == 0 || errno != EINTR)
            return false;
    }
}

enum credentials_result credentials_read(struct credentials *credentials, int descriptor,
                                         int milliseconds)
{
    long long const end = milliseconds_now() + milliseconds;
    credentials->length = 0;
    for (;;) {
        /* One byte more than is allowed shows that there is more. */
        size_t const room = sizeof credentials->bytes - credentials->length;
        if (room == 0)
            return CREDENTIALS_LONG;
        if (!wait_for_bytes(descriptor, end))
            return CREDENTIALS_FAILED;
        ssize_t const got = read(descriptor, credentials->bytes + credentials->length, room);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return CREDENTIALS_FAILED;
        if (got == 0)
            return CREDENTIALS_OK;
        credentials->length += (size_t)got;
    }
}

/* Finds COUNT strings, each with its NUL; returns the bytes that they take, 0 when there are less.
 */
static size_t find_strings(struct credentials const *credentials, char const **strings,
                           size_t count)
{
    size_t place = 0;
    for (size_t i = 0; i < count; i++) {
        char const *const begin = credentials->bytes + place;
        char const *const end = memchr(begin, 0, credentials->length - place);
        if (!end)
            return 0;
        strings[i] = begin;
        place = (size_t)(end - credentials->bytes) + 1;
    }
    return place;
}

enum credentials_result credentials_parse(struct credentials *credentials)
{
    char const *strings[3];
    if (!find_strings(credentials, strings, 3))
        return CREDENTIALS_MALFORMED;
    credentials->name = strings[0];
    credentials->password = strings[1];
    return CREDENTIALS_OK;
}

enum credentials_result credentials_parse_budget(struct credentials *credentials)
{
    char const *strings[2];
    if (find_strings(credentials, strings, 2) != credentials->length || !credentials->length)
        return CREDENTIALS_MALFORMED;
    credentials->name = strings[0];
    if (strlen(strings[1]) > 7 || !uint640_scan(strings[1], &credentials->recipients) ||
        credentials->recipients > CREDENTIALS_RECIPIENTS)
        return CREDENTIALS_MALFORMED;
    return CREDENTIALS_OK;
}

void credentials_wipe(struct credentials *credentials)
{
    explicit_bzero(credentials, sizeof *credentials);
}
