#include "tls/client_reason.h"

#include <stddef.h>

struct reason {
    int error;
    char const *words;
};

static struct reason const reasons[] = {
    /* certificates */
    {BR_ERR_X509_EMPTY_CHAIN, "the server shows no certificate"},
    {BR_ERR_X509_NOT_TRUSTED,
     "no known authority has signed the server's certificate: "
     "it is self-signed, or of an unknown authority, or an intermediate certificate is missing"},
    {BR_ERR_X509_BAD_SERVER_NAME, "the server's certificate is for another name"},
    {BR_ERR_X509_EXPIRED, "a certificate of the server has expired or is not valid yet"},
    {BR_ERR_X509_BAD_SIGNATURE, "a certificate of the server has a wrong signature"},
    {BR_ERR_X509_WRONG_KEY_TYPE, "a certificate of the server has a wrong signature"},
    {BR_ERR_X509_DN_MISMATCH, "the server's certificates do not follow one another"},
    {BR_ERR_X509_WEAK_PUBLIC_KEY, "a certificate of the server has an RSA key below 2048 bits"},
    {BR_ERR_X509_LIMIT_EXCEEDED, "a certificate of the server has a key that is too large"},
    {BR_ERR_X509_UNSUPPORTED, "a certificate of the server has a kind of key or of signature "
                              "that is not supported"},
    {BR_ERR_X509_CRITICAL_EXTENSION,
     "a certificate of the server has a critical extension that is not supported"},
    {BR_ERR_X509_NOT_CA, "a certificate of the server is signed by one that may not sign others"},
    {BR_ERR_X509_FORBIDDEN_KEY_USAGE, "a certificate of the server must not be used for this"},
    /* the handshake */
    {BR_ERR_UNSUPPORTED_VERSION, "the server offers no TLS 1.2"},
    {BR_ERR_BAD_VERSION, "the server speaks another protocol than TLS 1.2"},
    {BR_ERR_UNKNOWN_TYPE, "the server does not speak TLS"},
    {BR_ERR_BAD_LENGTH, "the server does not speak TLS"},
    {BR_ERR_BAD_CIPHER_SUITE, "the server chose a cipher suite that was not offered"},
    {BR_ERR_INVALID_ALGORITHM, "the server chose a curve or hash that was not offered"},
    {BR_ERR_BAD_SIGNATURE, "the server's signature of the key exchange is wrong: "
                           "it does not have the key of its certificate"},
    {BR_ERR_WRONG_KEY_USAGE, "the server's certificate does not fit the cipher suite"},
    {BR_ERR_BAD_FINISHED, "the handshake was tampered with"},
    {BR_ERR_BAD_MAC, "a record of the server was tampered with"},
    /* alerts (RFC 5246 7.2), for which the handshake is our offer */
    {BR_ERR_RECV_FATAL_ALERT + 0, "the server closed the connection in the handshake"},
    {BR_ERR_RECV_FATAL_ALERT + 40,
     "the server takes none of our cipher suites or curves (alert handshake_failure)"},
    {BR_ERR_RECV_FATAL_ALERT + 70, "the server takes no TLS 1.2 (alert protocol_version)"},
    {BR_ERR_RECV_FATAL_ALERT + 71,
     "the server takes none of our cipher suites (alert insufficient_security)"},
    {BR_ERR_RECV_FATAL_ALERT + 80, "the server failed (alert internal_error)"},
    {BR_ERR_RECV_FATAL_ALERT + 112, "the server has no such name (alert unrecognized_name)"},
    {BR_ERR_RECV_FATAL_ALERT + 116,
     "the server wants a certificate of ours (alert certificate_required)"},
};

char const *client_reason(struct client_chain const *chain, int error)
{
    if (chain && chain->refusal)
        return chain->refusal;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].error == error)
            return reasons[i].words;
    /* All others that a certificate can have are ways in which its encoding is broken. */
    if (error > BR_ERR_X509_OK && error <= BR_ERR_X509_NOT_TRUSTED)
        return "a certificate of the server is malformed";
    if (error >= BR_ERR_RECV_FATAL_ALERT && error < BR_ERR_SEND_FATAL_ALERT)
        return "the server broke the handshake off with an alert";
    return "the server broke the protocol in the handshake";
}
