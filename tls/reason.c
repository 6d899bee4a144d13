#include "tls/reason.h"

#include <stdio.h>

#include <bearssl.h>

struct meaning {
    int number;
    char const *text;
};

/* RFC 5246 7.2, RFC 7301, RFC 7507, RFC 6066 */
static struct meaning const alerts[] = {
    {0, "close notify"},
    {10, "unexpected message"},
    {20, "bad record MAC"},
    {22, "record overflow"},
    {40, "handshake failure"},
    {42, "bad certificate"},
    {43, "unsupported certificate"},
    {44, "certificate revoked"},
    {45, "certificate expired"},
    {46, "certificate unknown"},
    {47, "illegal parameter"},
    {48, "unknown CA"},
    {49, "access denied"},
    {50, "decode error"},
    {51, "decrypt error"},
    {70, "protocol version"},
    {71, "insufficient security"},
    {80, "internal error"},
    {86, "inappropriate fallback"},
    {90, "user canceled"},
    {100, "no renegotiation"},
    {112, "unrecognized name"},
    {120, "no application protocol"},
};

/* Why we sent an alert, where we know more than its name says. */
static struct meaning const refusals[] = {
    {40, "no cipher suite, curve or signature in common, or no certificate to answer with"},
    {70, "it does not offer TLS 1.2"},
    {86, "it fell back from a version that both sides know"},
    {120, "it asked for another protocol than smtp (ALPN)"},
};

static struct meaning const errors[] = {
    {BR_ERR_UNSUPPORTED_VERSION, "it does not speak TLS, or another version than 1.2"},
    {BR_ERR_BAD_VERSION, "it changed or broke the protocol version"},
    {BR_ERR_BAD_LENGTH, "a record has an impossible length: it does not speak TLS"},
    {BR_ERR_TOO_LARGE, "a record is too large"},
    {BR_ERR_BAD_MAC, "a record was damaged on its way (bad MAC)"},
    {BR_ERR_UNEXPECTED, "a message came that had no place there"},
    {BR_ERR_BAD_CCS, "a broken ChangeCipherSpec"},
    {BR_ERR_BAD_ALERT, "a broken alert"},
    {BR_ERR_BAD_HANDSHAKE, "a broken handshake message"},
    {BR_ERR_OVERSIZED_ID, "a session id that is too long"},
    {BR_ERR_BAD_CIPHER_SUITE, "it chose a cipher suite that was not offered"},
    {BR_ERR_BAD_COMPRESSION, "it wants compression"},
    {BR_ERR_BAD_FRAGLEN, "a broken fragment length"},
    {BR_ERR_BAD_SECRENEG, "a broken renegotiation field"},
    {BR_ERR_EXTRA_EXTENSION, "an extension that was not asked for"},
    {BR_ERR_BAD_SNI, "a broken server name"},
    {BR_ERR_BAD_HELLO_DONE, "a broken ServerHelloDone"},
    {BR_ERR_LIMIT_EXCEEDED, "a key or a signature is larger than what is supported"},
    {BR_ERR_BAD_FINISHED, "the Finished message does not fit the handshake"},
    {BR_ERR_INVALID_ALGORITHM, "an algorithm that is not supported, or no signature was made"},
    {BR_ERR_BAD_SIGNATURE, "a signature does not fit"},
};

static char const *find(struct meaning const *meanings, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (meanings[i].number == number)
            return meanings[i].text;
    return NULL;
}

#define FIND(meanings, number) find(meanings, sizeof meanings / sizeof *meanings, number)

void reason_of_error(char *text, size_t size, int error, char const *peer)
{
    int const alert = error & 0xff;
    char const *meaning;
    if (error >= BR_ERR_SEND_FATAL_ALERT && error < BR_ERR_SEND_FATAL_ALERT + 256) {
        meaning = FIND(refusals, alert);
        if (!meaning)
            meaning = FIND(alerts, alert);
        snprintf(text, size, "the %s was refused: %s (alert %d)", peer, meaning ? meaning : "TLS",
                 alert);
    } else if (error >= BR_ERR_RECV_FATAL_ALERT && error < BR_ERR_RECV_FATAL_ALERT + 256) {
        meaning = FIND(alerts, alert);
        snprintf(text, size, "the %s refused us: %s (alert %d)", peer,
                 meaning ? meaning : "unknown", alert);
    } else {
        meaning = FIND(errors, error);
        snprintf(text, size, "the %s broke TLS: %s (error %d)", peer,
                 meaning ? meaning : "see BearSSL's BR_ERR_", error);
    }
}
