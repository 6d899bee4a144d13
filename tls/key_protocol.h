/* What engines and their template say to the key process, in packets (lib/packet.h).
 *
 * The template, on the socket that it alone has: `N` with one descriptor, the key process's end of
 * a channel. Its other end is one engine's.
 *
 * The engine, on its channel, one question at a time:
 *
 *   `O` NAME                  the chain for the name that a client asked for; empty: the default
 *   `S` ALGORITHM(2) INPUT    sign this key exchange (tls/key_input.h) with the key of the chain
 *                             that was given last
 *   `K` SUITE(2) SECRET(48)   keep this session, which was made with that chain and for its name;
 *                             after `S`, and without an answer
 *   `L` ID(32) RANDOM(32) NAME
 *                             a client with this random wants to resume this session, for this name
 *   `D` `c`|`s` HASH          the client's or the server's Finished of what is resumed, over a
 *                             handshake with this hash (of 32 octets or 48, by the suite)
 *
 * and the answers:
 *
 *   `C` TYPE(1) RESUMES(1) ID(32) {LENGTH(3) DER}...
 *                             type of the key (enum key_type), whether sessions are kept (0, 1),
 *                             the id that this channel's session has then, the chain
 *   `S` SIGNATURE
 *   `R` SUITE(2) SEED(32) KEYS(88)
 *                             the session's suite, what the generator is to be seeded with that the
 *                             server random comes from next, and the keys that this makes
 *   `D` FINISHED(12)
 *   `F` TEXT                  there is none: why, printable ASCII
 *
 * An engine that opens more than KEY_OPENS_MAX times, does anything else twice, or says anything
 * else is cut off: it has been taken over. */
#ifndef EKIDEN_KEY_PROTOCOL_H
#define EKIDEN_KEY_PROTOCOL_H

#define KEY_OPENS_MAX 4
#define KEY_NAME_MAX  255 /* octets of a name as BearSSL hands it over */
#define KEY_PACKET_MAX                                                                             \
    (60u << 10) /* bytes: the chain, which comes from a file of 64 KiB in base64 */
#define KEY_TEXT_MAX 200

#define KEY_ID_SIZE              32
#define KEY_SECRET_SIZE          48
#define KEY_RANDOM_SIZE          32
#define KEY_SEED_SIZE            32
#define KEY_BLOCK_SIZE           88 /* ChaCha20 needs most: two keys of 32, two nonces of 12 */
#define KEY_FINISHED_SIZE        12
#define KEY_RESUMED_SIZE         (1 + 2 + KEY_SEED_SIZE + KEY_BLOCK_SIZE)
#define KEY_FINISHED_ANSWER_SIZE (1 + KEY_FINISHED_SIZE)

enum {
    KEY_NEW = 'N',
    KEY_OPEN = 'O',
    KEY_SIGN = 'S',
    KEY_KEEP = 'K',
    KEY_LOAD = 'L',
    KEY_FINISH = 'D',
    KEY_CHAIN = 'C',
    KEY_RESUMED = 'R',
    KEY_FAILED = 'F'
};
enum { KEY_CLIENT_FINISHED = 'c', KEY_SERVER_FINISHED = 's' };

#endif
