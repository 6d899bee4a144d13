#include "queue/queue_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "lib/journal.h"
#include "queue/queue_form.h"

/* Base 32 in the order of ASCII, so that names sort by time; no letters that look like digits. */
static char const alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

#define TIME_DIGITS   11 /* of microseconds since 1970: enough until the year 3000 */
#define RANDOM_DIGITS (QUEUE_ID_LENGTH - TIME_DIGITS)

void queue_file_name(char id[QUEUE_ID_LENGTH + 1])
{
    struct timespec now;
    uint64_t random;
    clock_gettime(CLOCK_REALTIME, &now);
    while (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        ;
    uint64_t time = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    for (size_t i = TIME_DIGITS; i-- > 0; time >>= 5)
        id[i] = alphabet[time & 31];
    for (size_t i = TIME_DIGITS; i < QUEUE_ID_LENGTH; i++, random >>= 5)
        id[i] = alphabet[random & 31];
    id[QUEUE_ID_LENGTH] = 0;
}

bool queue_file_is_name(char const *name)
{
    return strspn(name, alphabet) == QUEUE_ID_LENGTH && !name[QUEUE_ID_LENGTH];
}

uint64_t queue_file_name_time(char const *name)
{
    uint64_t time = 0;
    for (size_t i = 0; i < TIME_DIGITS; i++)
        time = time << 5 | (uint64_t)(strchr(alphabet, name[i]) - alphabet);
    return time / 1000000;
}

static enum queue_status status_of(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO:
    case EROFS:
        return QUEUE_WRITE;
    case ENOMEM:
        return QUEUE_NO_MEMORY;
    default:
        return QUEUE_SYSTEM;
    }
}

static enum queue_status fail(struct queue_file *file, enum queue_status status)
{
    if (file->status == QUEUE_OK)
        file->status = status;
    return file->status;
}

/* Writes what is buffered, then LENGTH bytes: one system call, unless the disk takes less. */
static enum queue_status write_out(struct queue_file *file, char const *bytes, size_t length)
{
    size_t written = 0;
    size_t const whole = file->buffered + length;
    while (written < whole) {
        size_t const skip = written > file->buffered ? written - file->buffered : 0;
        size_t const from = written < file->buffered ? written : file->buffered;
        struct iovec const pieces[2] = {
            {.iov_base = file->buffer + from, .iov_len = file->buffered - from},
            {.iov_base = (char *)bytes + skip, .iov_len = length - skip}};
        ssize_t const count = writev(file->descriptor, pieces, 2);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return fail(file, count < 0 ? status_of(errno) : QUEUE_WRITE);
        written += (size_t)count;
    }
    file->buffered = 0;
    return file->status;
}

static enum queue_status put(struct queue_file *file, char const *bytes, size_t length)
{
    if (file->status != QUEUE_OK)
        return file->status;
    if (length > sizeof file->buffer - file->buffered)
        return write_out(file, bytes, length);
    if (length)
        memcpy(file->buffer + file->buffered, bytes, length);
    file->buffered += length;
    return file->status;
}

static enum queue_status put_head(struct queue_file *file, char const *bytes, size_t length)
{
    checksum_add(&file->head_sum, bytes, length);
    file->head_length += length;
    if (file->head_length > ENVELOPE_BYTES_MAX)
        return fail(file, QUEUE_ADDRESS_TOO_LONG);
    return put(file, bytes, length);
}

/* The lock says that somebody still writes: the scheduler leaves a locked file alone. Waited for,
 * because a look through new/ may hold the empty file for a moment. */
static void lock(struct queue_file *file)
{
    int result;
    do
        result = flock(file->descriptor, LOCK_EX);
    while (result != 0 && errno == EINTR);
    if (result != 0)
        fail(file, QUEUE_SYSTEM);
}

static void put_opening(struct queue_file *file, unsigned int flags)
{
    char arrival[1 + UINT64_FMT + 1] = "@";
    size_t const length = 1 + uint64_fmt(arrival + 1, (uint64_t)time(NULL));
    arrival[length] = 0;
    put_head(file, QUEUE_MAGIC, sizeof QUEUE_MAGIC);
    put_head(file, arrival, length + 1);
    if (flags & QUEUE_8BIT)
        put_head(file, "B", 2);
    if (flags & QUEUE_UTF8)
        put_head(file, "U", 2);
    if (flags & QUEUE_FORWARDED)
        put_head(file, "S", 2);
}

enum queue_status queue_file_create(struct queue_file *file, int folder, char const *id,
                                    unsigned int flags)
{
    file->folder = folder;
    file->status = QUEUE_OK;
    file->in_message = false;
    file->head_length = file->message_length = 0;
    file->buffered = 0;
    memcpy(file->id, id, sizeof file->id);
    envelope_start(&file->envelope, false);
    checksum_start(&file->head_sum);
    checksum_start(&file->message_sum);
    file->descriptor =
        openat(folder, id, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, QUEUE_FILE_MODE);
    if (file->descriptor < 0)
        return fail(file, errno == EACCES || errno == ENOENT ? QUEUE_FOLDER : status_of(errno));
    lock(file);
    put_opening(file, flags);
    return file->status;
}

/* Adds what of BYTES belongs to the envelope; *used says how much that is. */
static enum queue_status add_envelope(struct queue_file *file, char const *bytes, size_t length,
                                      size_t *used)
{
    enum envelope_result const result = envelope_parse(&file->envelope, bytes, length, used);
    if (result == ENVELOPE_TOO_LONG)
        return fail(file, QUEUE_ADDRESS_TOO_LONG);
    if (result == ENVELOPE_FORMAT)
        return fail(file, QUEUE_ENVELOPE);
    file->in_message = result == ENVELOPE_COMPLETE;
    return put_head(file, bytes, *used);
}

enum queue_status queue_file_envelope(struct queue_file *file, char const *bytes, size_t length)
{
    size_t used;
    if (file->status != QUEUE_OK)
        return file->status;
    if (file->in_message)
        return fail(file, QUEUE_ENVELOPE);
    add_envelope(file, bytes, length, &used);
    return used == length ? file->status : fail(file, QUEUE_ENVELOPE);
}

enum queue_status queue_file_message(struct queue_file *file, char const *bytes, size_t length)
{
    if (file->status != QUEUE_OK)
        return file->status;
    if (!file->in_message)
        return fail(file, QUEUE_ENVELOPE);
    checksum_add(&file->message_sum, bytes, length);
    file->message_length += length;
    return put(file, bytes, length);
}

enum queue_status queue_file_put_envelope(struct queue_file *file, char const *bytes, size_t length,
                                          size_t *used)
{
    *used = 0;
    if (file->status != QUEUE_OK || file->in_message)
        return file->status;
    return add_envelope(file, bytes, length, used);
}

static enum queue_status sync_descriptor(struct queue_file *file, int descriptor)
{
    int result;
    do
        result = fsync(descriptor);
    while (result != 0 && errno == EINTR);
    return result == 0 ? file->status : fail(file, QUEUE_WRITE);
}

static void discard(struct queue_file *file)
{
    /* Emptied first: should the unlink not reach the disk before a crash, no whole message comes
     * back that nobody was told of. Neither can be helped further when it fails. */
    if (ftruncate(file->descriptor, 0) != 0)
        fail(file, QUEUE_WRITE);
    if (unlinkat(file->folder, file->id, 0) != 0)
        fail(file, QUEUE_SYSTEM);
    close(file->descriptor);
    file->descriptor = -1;
}

static bool in_order; /* of the folder that this process has */

void queue_file_learn(int folder)
{
    in_order = journal_keeps_order(folder);
}

enum queue_status queue_file_commit(struct queue_file *file)
{
    char end[QUEUE_END_SIZE];
    if (file->descriptor < 0)
        return fail(file, QUEUE_BUG);
    if (!file->in_message)
        fail(file, QUEUE_ENVELOPE);
    queue_form_end(end, file->head_length, file->message_length, checksum_end(&file->head_sum),
                   checksum_end(&file->message_sum));
    if (file->status == QUEUE_OK)
        write_out(file, end, sizeof end);
    /* Where the file system has no such bit, all is as it was without it. */
    if (file->status == QUEUE_OK)
        (void)fchmod(file->descriptor, QUEUE_FILE_MODE | QUEUE_FILE_ACCEPTED);
    if (file->status == QUEUE_OK)
        sync_descriptor(file, file->descriptor);
    /* It would find nothing to commit there, and flush the disk's cache all the same. */
    if (file->status == QUEUE_OK && !in_order)
        sync_descriptor(file, file->folder);
    if (file->status != QUEUE_OK) {
        discard(file);
        return file->status;
    }
    close(file->descriptor); /* both are on the disk: its result no longer matters */
    file->descriptor = -1;
    return QUEUE_OK;
}

void queue_file_abort(struct queue_file *file)
{
    if (file->descriptor >= 0)
        discard(file);
}
