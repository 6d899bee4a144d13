/* An engine's questions to the key process (tls/key_protocol.h). */
#ifndef EKIDEN_KEY_CHANNEL_H
#define EKIDEN_KEY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include <bearssl.h>

#include "tls/key_input.h"
#include "tls/key_protocol.h"

#define KEY_CERTIFICATES_MAX 16
#define KEY_ANSWER_SECONDS   10 /* then the key process counts as gone */

struct key_chain {
    enum key_type type;
    br_x509_certificate certificates[KEY_CERTIFICATES_MAX]; /* into bytes */
    size_t count;
    unsigned char *bytes; /* owned; 0: none */
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

#endif
