/* An engine's questions to the key process (tls/key_protocol.h). */
#ifndef EKIDEN_KEY_CHANNEL_H
#define EKIDEN_KEY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bearssl.h>

#include "tls/key_input.h"
#include "tls/key_protocol.h"

#define KEY_CERTIFICATES_MAX 16
#define KEY_ANSWER_SECONDS   10 /* then the key process counts as gone */

struct key_chain {
    enum key_type type;
    bool resumes;                                           /* sessions are kept */
    br_x509_certificate certificates[KEY_CERTIFICATES_MAX]; /* into bytes */
    size_t count;
    unsigned char id[KEY_ID_SIZE]; /* of the session that is made with it */
    unsigned char *bytes;          /* owned; 0: none */
};

/* Makes a channel: *end for an engine, the other end goes to the key process over CHANNELS, the
 * template's socket. Returns 0, or why there is none. */
char const *key_channel_make(int channels, int *end);

/* Asks for the chain of NAME (at most KEY_NAME_MAX octets; empty: the default), which replaces what
 * CHAIN held. False: TEXT says why there is none; CHAIN is as before. */
bool key_channel_open(int channel, char const *name, struct key_chain *chain,
                      char text[KEY_TEXT_MAX + 1]);

/* Has LENGTH bytes of INPUT signed by ALGORITHM. Returns the length of the signature, at most SIZE
 * bytes at SIGNATURE (which may be INPUT); 0: there is none. Once a channel. */
size_t key_channel_sign(int channel, unsigned int algorithm, unsigned char const *input,
                        size_t length, unsigned char *signature, size_t size);

/* Has the session kept that was made on this channel. Nobody answers: it is, or it is not. */
void key_channel_keep(int channel, uint16_t suite, unsigned char const secret[KEY_SECRET_SIZE]);

/* What a session that is resumed gives an engine instead of its secret. */
struct key_resumed {
    uint16_t suite;
    unsigned char seed[KEY_SEED_SIZE], block[KEY_BLOCK_SIZE];
};

/* Asks for the session ID of a client whose random is RANDOM, and who asks for NAME. False: there
 * is none. Once a channel. */
bool key_channel_load(int channel, unsigned char const id[KEY_ID_SIZE],
                      unsigned char const random[KEY_RANDOM_SIZE], char const *name,
                      struct key_resumed *resumed);

/* The Finished (KEY_CLIENT_FINISHED, KEY_SERVER_FINISHED) of what was loaded, over a handshake
 * whose hash is LENGTH bytes. False: there is none. Once each. */
bool key_channel_finish(int channel, char who, unsigned char const *hash, size_t length,
                        unsigned char finished[KEY_FINISHED_SIZE]);

#endif
