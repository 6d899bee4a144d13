#include "lib/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void spool_start(struct spool *spool)
{
    spool->file = -1;
    spool->length = 0;
    spool->held = 0;
    spool->given = false;
}

/* A file system without O_TMPFILE gets a file with a name for a moment. */
static int make_file(char const *folder)
{
    char name[4096];
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return file;
    if (snprintf(name, sizeof name, "%s/ekiden-XXXXXX", folder) >= (int)sizeof name)
        return -1;
    file = mkostemp(name, O_CLOEXEC);
    if (file >= 0)
        unlink(name);
    return file;
}

static bool write_out(struct spool *spool, char const *bytes, size_t length)
{
    while (length) {
        ssize_t const count = write(spool->file, bytes, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        bytes += count;
        length -= (size_t)count;
    }
    return true;
}

static bool flush(struct spool *spool)
{
    if (spool->file < 0) {
        char const *const folder = getenv("TMPDIR");
        spool->file = make_file(folder && *folder == '/' ? folder : "/tmp");
    }
    bool const written = spool->file >= 0 && write_out(spool, spool->memory, spool->held);
    spool->held = 0;
    return written;
}

bool spool_add(struct spool *spool, char const *bytes, size_t length)
{
    spool->length += length;
    while (length) {
        size_t const room = sizeof spool->memory - spool->held;
        size_t const piece = length < room ? length : room;
        memcpy(spool->memory + spool->held, bytes, piece);
        spool->held += piece;
        bytes += piece;
        length -= piece;
        if (length && !flush(spool))
            return false;
    }
    return true;
}

bool spool_rewind(struct spool *spool)
{
    spool->given = false;
    if (spool->file < 0)
        return true;
    return (!spool->held || flush(spool)) && lseek(spool->file, 0, SEEK_SET) == 0;
}

ssize_t spool_read(struct spool *spool, char const **bytes)
{
    *bytes = spool->memory;
    if (spool->file < 0) {
        bool const given = spool->given;
        spool->given = true;
        return given ? 0 : (ssize_t)spool->held;
    }
    ssize_t count;
    do
        count = read(spool->file, spool->memory, sizeof spool->memory);
    while (count < 0 && errno == EINTR);
    return count;
}

void spool_end(struct spool *spool)
{
    if (spool->file >= 0)
        close(spool->file);
    spool_start(spool);
}
