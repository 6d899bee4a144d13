/* What an engine of UCSPI-TLS says after the handshake (ucspi-tls(2) of ucspi-ssl): strings
 * `NAME=VALUE`, each ended by NUL, and one more NUL at the end of all. */
#ifndef EKIDEN_UCSPI_TLS_H
#define EKIDEN_UCSPI_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "tls/tls_request.h"

#define UCSPI_TLS_TEXT_MAX 65536u /* bytes: some engines send whole certificates */

struct ucspi_tls_text {
    size_t length;
    char bytes[UCSPI_TLS_TEXT_MAX];
};

/* Reads once from CONTROL, which is readable, one byte of what follows the strings never included.
 * *complete: all of them are there. False: it ended without a word (the handshake failed), or said
 * too much. */
bool ucspi_tls_read(struct ucspi_tls_text *text, int control, bool *complete);

/* Takes SSL_PROTOCOL, SSL_CIPHER and the name of SNI out of TEXT, each cut to its room. */
void ucspi_tls_parse(struct tls_answer *answer, struct ucspi_tls_text const *text);

#endif
