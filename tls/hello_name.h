/* The name in a ClientHello, before BearSSL has come that far: whether a session is resumed is
 * asked there when the session's id was read (RFC 6066 3: never for another name). */
#ifndef EKIDEN_HELLO_NAME_H
#define EKIDEN_HELLO_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "tls/key_protocol.h"

/* BYTES are what follows the session's id in a ClientHello (RFC 5246 7.4.1.2): suites, compression,
 * extensions, to its last octet. NAME becomes what the client asks for by SNI, or empty when it
 * does not. False for what is not whole, for a name of other than 1 to 255 octets or with a NUL,
 * and for more than one: nothing is to be resumed then. False as well for ALPN (RFC 7301) without
 * ENGINE_PROTOCOL: BearSSL 0.6 refuses it in a full handshake only, and in one that resumes reads
 * the name of the protocol from behind the end of its table. */
bool hello_name(unsigned char const *bytes, size_t length, char name[KEY_NAME_MAX + 1]);

#endif
