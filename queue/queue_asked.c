#include "queue/queue_asked.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#define UID_DIGITS  10
#define LINE_LENGTH (1 + UID_DIGITS + 1)

typedef char file_path[sizeof QUEUE_ASKED_FOLDER "/" + QUEUE_ID_LENGTH];

static void make_path(file_path path, char const *id)
{
    snprintf(path, sizeof(file_path), QUEUE_ASKED_FOLDER "/%.*s", QUEUE_ID_LENGTH, id);
}

static int open_file(int queue, char const *id, int flags)
{
    file_path path;
    int descriptor;
    make_path(path, id);
    do
        descriptor = openat(queue, path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

/* All lines have one length, and one write does it: a later word is there as a whole or not at all,
 * wherever this process is killed. */
bool queue_asked_note(int queue, struct queue_request const *request)
{
    char line[LINE_LENGTH + 1];
    snprintf(line, sizeof line, "%c%0*u\n", (char)request->operation, UID_DIGITS,
             (unsigned int)request->who);
    int const descriptor = open_file(queue, request->id, O_WRONLY | O_CREAT);
    if (descriptor < 0)
        return false;
    ssize_t const written = pwrite(descriptor, line, LINE_LENGTH, 0);
    int const number = written < 0 ? errno : EIO;
    close(descriptor);
    errno = number;
    return written == LINE_LENGTH;
}

static bool parse(struct queue_request *request, char const *line)
{
    static char const letters[] = {QUEUE_HOLD, QUEUE_RELEASE, QUEUE_RETRY, QUEUE_DROP,
                                   QUEUE_BOUNCE};
    char digits[UID_DIGITS + 1] = {0};
    uint32_t who;
    memcpy(digits, line + 1, UID_DIGITS);
    if (!memchr(letters, line[0], sizeof letters) || !uint320_scan(digits, &who) ||
        line[LINE_LENGTH - 1] != '\n')
        return false;
    request->operation = (enum queue_operation)line[0];
    request->who = who;
    return true;
}

bool queue_asked_read(int queue, char const *id, struct queue_request *request)
{
    char line[LINE_LENGTH];
    *request = (struct queue_request){.place = QUEUE_PLACE_UNKNOWN};
    memcpy(request->id, id, QUEUE_ID_LENGTH);
    int const descriptor = open_file(queue, id, O_RDONLY);
    if (descriptor < 0)
        return false;
    ssize_t const length = pread(descriptor, line, sizeof line, 0);
    int const number = length < 0 ? errno : 0;
    close(descriptor);
    errno = number;
    return length == (ssize_t)sizeof line && parse(request, line);
}

void queue_asked_forget(int queue, char const *id)
{
    file_path path;
    make_path(path, id);
    (void)unlinkat(queue, path, 0);
}
