/* What a server says it can do: the lines of its answer to EHLO (RFC 5321 4.1.1.1). */
#ifndef EKIDEN_REMOTE_EXTENSIONS_H
#define EKIDEN_REMOTE_EXTENSIONS_H

#include <stdbool.h>
#include <stdint.h>

struct remote_extensions {
    bool size, pipelining, chunking, eight_bit_mime, smtputf8, starttls, dsn;
    bool auth, auth_plain, auth_login; /* AUTH at all, and the mechanisms that we know */
    uint64_t size_max;                 /* octets; 0: it names no limit */
};

/* Forgets all of it: before EHLO, before HELO, after TLS has begun. */
void remote_extensions_clear(struct remote_extensions *extensions);

/* Takes one line of the answer, without its code. The first line (the server's name) is not one.
 * Unknown keywords, and known ones with something else around them, say nothing. `AUTH=PLAIN`, of
 * servers older than RFC 4954, is `AUTH PLAIN`. */
void remote_extensions_add(struct remote_extensions *extensions, char const *line);

#endif
