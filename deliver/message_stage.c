#include "deliver/message_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#include "lib/checksum.h"

#define BUFFER (64u << 10)

/* A file without a name in the current folder. File systems that know no O_TMPFILE get one whose
 * name is removed at once. */
static int open_file(void)
{
    char name[] = ".ekiden-message.XXXXXX";
    int descriptor = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return descriptor;
    descriptor = mkostemp(name, O_CLOEXEC);
    if (descriptor >= 0)
        (void)unlink(name);
    return descriptor;
}

static int open_stage(bool in_memory)
{
    return in_memory ? memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING) : open_file();
}

/* A failure of the copy; nothing is left of it. */
static int fail(int stage, struct failure *failure, char const *what)
{
    failure_system(failure, what, "", errno);
    if (stage >= 0)
        fd_close(stage);
    return -1;
}

static bool seal(int stage)
{
    return fcntl(stage, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

static char const no_copy[] = "no copy of the message can be made for a program";

int message_stage(struct job const *job, int from, struct failure *failure)
{
    static char buffer[BUFFER];
    struct checksum sum;
    bool const in_memory = job->length <= MESSAGE_STAGE_MEMORY;
    int const stage = open_stage(in_memory);
    if (stage < 0)
        return fail(stage, failure, no_copy);
    checksum_start(&sum);
    for (uint64_t done = 0; done < job->length;) {
        uint64_t const left = job->length - done;
        ssize_t const got =
            pread(from, buffer, left < BUFFER ? (size_t)left : BUFFER, (off_t)(job->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(stage, failure, "the queue file cannot be read");
        if (got == 0)
            break; /* the checksum does not fit then */
        checksum_add(&sum, buffer, (size_t)got);
        if (allwrite(stage, buffer, (size_t)got) < (size_t)got)
            return fail(stage, failure, no_copy);
        done += (uint64_t)got;
    }
    if (in_memory && !seal(stage))
        return fail(stage, failure, no_copy);
    if (checksum_end(&sum) == job->sum)
        return stage;
    failure_set(failure, JOB_CORRUPT, "4.3.0 the message does not fit its checksum");
    fd_close(stage);
    return -1;
}

/* Moves what is in memory so far into a file. */
static int grow_to_file(int stage, struct failure *failure)
{
    int const file = open_file();
    if (file < 0 || lseek(stage, 0, SEEK_SET) != 0 || fd_cat(stage, file) < 0) {
        fail(file, failure, no_copy);
        fd_close(stage);
        return -1;
    }
    fd_close(stage);
    return file;
}

int message_stage_all(struct job *job, int from, struct failure *failure)
{
    static char buffer[BUFFER];
    struct checksum sum;
    bool in_memory = true;
    int stage = open_stage(in_memory);
    if (stage < 0)
        return fail(stage, failure, no_copy);
    job->offset = job->length = 0;
    checksum_start(&sum);
    for (;;) {
        ssize_t const got = read(from, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(stage, failure, "the message cannot be read");
        if (got == 0)
            break;
        if (in_memory && job->length + (uint64_t)got > MESSAGE_STAGE_MEMORY) {
            in_memory = false;
            stage = grow_to_file(stage, failure);
            if (stage < 0)
                return -1;
        }
        if (allwrite(stage, buffer, (size_t)got) < (size_t)got)
            return fail(stage, failure, no_copy);
        checksum_add(&sum, buffer, (size_t)got);
        job->length += (uint64_t)got;
    }
    job->sum = checksum_end(&sum);
    if (in_memory && !seal(stage))
        return fail(stage, failure, no_copy);
    return stage;
}

/* By way of /proc, because a dup would share the place up to which was read, and a program that was
 * left behind could move it under the next one. (This process can reach its own descriptors there
 * though it is not dumpable.) */
int message_stage_open(int stage)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", stage);
    return open(path, O_RDONLY | O_CLOEXEC);
}
