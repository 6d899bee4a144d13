/* Bytes that are read once and needed later: in memory as far as they are few, else in a file
 * without a name. Memory does not grow with them. */
#ifndef EKIDEN_SPOOL_H
#define EKIDEN_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPOOL_MEMORY (128u << 10)

struct spool {
    int file; /* -1: all is in memory */
    uint64_t length;
    size_t held; /* in memory: of bytes that came last, or were read last */
    bool given;  /* in memory and read already */
    char memory[SPOOL_MEMORY];
};

void spool_start(struct spool *spool);

/* Appends. False: errno. The file is made in TMPDIR, or in /tmp. */
bool spool_add(struct spool *spool, char const *bytes, size_t length);

/* Back to the begin, to read; nothing is added after that. May be called again. False: errno. */
bool spool_rewind(struct spool *spool);

/* The next piece: its length, 0 at the end, -1 with errno. *bytes is valid until the next call. */
ssize_t spool_read(struct spool *spool, char const **bytes);

void spool_end(struct spool *spool);

#endif
