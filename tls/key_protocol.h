/* What engines and their template say to the key process, in packets (lib/packet.h).
 *
 * The template, on the socket that it alone has: `N` with one descriptor, the key process's end of
 * a channel. Its other end is one engine's.
 *
 * The engine, on its channel, one question at a time:
 *   `O` NAME                       the chain for the name that a client asked for; empty: the
 * default `S` ALGORITHM(2) INPUT         sign this key exchange (tls/key_input.h) with the key of
 * the chain that was given last and the answers: `C` TYPE(1) {LENGTH(3) DER}... type of the key
 * (enum key_type), the chain `S` SIGNATURE `F` TEXT                       there is none: why,
 * printable ASCII An engine that opens more than KEY_OPENS_MAX times, signs twice, or says anything
 * else is cut off: it has been taken over. */
#ifndef EKIDEN_KEY_PROTOCOL_H
#define EKIDEN_KEY_PROTOCOL_H

#define KEY_OPENS_MAX 4
#define KEY_NAME_MAX  255 /* octets of a name as BearSSL hands it over */
#define KEY_PACKET_MAX                                                                             \
    (60u << 10) /* bytes: the chain, which comes from a file of 64 KiB in base64 */
#define KEY_TEXT_MAX 200

enum { KEY_NEW = 'N', KEY_OPEN = 'O', KEY_SIGN = 'S', KEY_CHAIN = 'C', KEY_FAILED = 'F' };

#endif
