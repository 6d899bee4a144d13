#include "queue/send_wake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/wake.h"

#define WANTED_CAPACITY  (1 << 20) /* what the kernel allows without privilege by default */
#define DEFAULT_CAPACITY 65536
#define LINE_LENGTH      (QUEUE_ID_LENGTH + 1)

bool send_wake_open(struct send_wake *wake, int queue)
{
    struct stat status;
    *wake = (struct send_wake){.descriptor = wake_open(queue)};
    if (wake->descriptor < 0)
        return false;
    if (fstat(wake->descriptor, &status) != 0 || !S_ISFIFO(status.st_mode)) {
        errno = EINVAL;
        close(wake->descriptor);
        return false;
    }
    int size = fcntl(wake->descriptor, F_SETPIPE_SZ, WANTED_CAPACITY);
    if (size < 0)
        size = fcntl(wake->descriptor, F_GETPIPE_SZ);
    wake->capacity = size > 0 ? (size_t)size : DEFAULT_CAPACITY;
    return true;
}

static void fill(struct send_wake *wake)
{
    int held = 0;
    memmove(wake->bytes, wake->bytes + wake->begin, wake->end - wake->begin);
    wake->end -= wake->begin;
    wake->begin = 0;
    /* A page of the FIFO counts as used even when few bytes are in it: full may come early. Half is
     * a safe sign, and looking through new/ once too often does no harm. */
    if (ioctl(wake->descriptor, FIONREAD, &held) == 0 && (size_t)held >= wake->capacity / 2)
        wake->overflow = true;
    ssize_t const count =
        read(wake->descriptor, wake->bytes + wake->end, sizeof wake->bytes - wake->end);
    wake->dry = count <= 0;
    if (count > 0)
        wake->end += (size_t)count;
}

/* Takes a line out of the buffer. False when there is no whole line. */
static bool take_line(struct send_wake *wake, char const **line, size_t *length)
{
    char const *const start = wake->bytes + wake->begin;
    char const *const newline = memchr(start, '\n', wake->end - wake->begin);
    if (!newline) {
        if (wake->end - wake->begin > LINE_LENGTH) {
            wake->skipping = true;
            wake->begin = wake->end;
        }
        return false;
    }
    *line = start;
    *length = (size_t)(newline - start);
    wake->begin += *length + 1;
    return true;
}

bool send_wake_next(struct send_wake *wake, char id[QUEUE_ID_LENGTH + 1])
{
    char const *line;
    size_t length;
    for (unsigned int fills = 0;;) {
        while (take_line(wake, &line, &length)) {
            bool const rest_of_skipped = wake->skipping;
            wake->skipping = false;
            if (rest_of_skipped || length != QUEUE_ID_LENGTH)
                continue;
            memcpy(id, line, QUEUE_ID_LENGTH);
            id[QUEUE_ID_LENGTH] = 0;
            if (queue_file_is_name(id))
                return true;
        }
        if (fills++)
            return false;
        fill(wake);
        if (wake->dry)
            return false;
    }
}
