/* Why a handshake failed, in words for a log. */
#ifndef EKIDEN_REASON_H
#define EKIDEN_REASON_H

#include <stddef.h>

/* Writes what ERROR (br_ssl_engine_last_error, not 0) means, of which PEER ("client", "server") is
 * the other side, as at most SIZE - 1 bytes and a NUL. */
void reason_of_error(char *text, size_t size, int error, char const *peer);

#endif
