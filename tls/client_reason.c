#include "tls/client_reason.h"

#include <stdbool.h>
#include <stddef.h>

struct reason {
    int error;
    char const *words;
};

static struct reason const reasons[] = {
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
    {BR_ERR_WRONG_KEY_USAGE, "the server's certificate does not fit the cipher suite"},
};

char const *client_reason(struct client_chain const *chain, int error)
{
    if (chain->refusal)
        return chain->refusal;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].error == error)
            return reasons[i].words;
    /* All others that a certificate can have are ways in which its encoding is broken. */
    bool const is_certificate = error > BR_ERR_X509_OK && error <= BR_ERR_X509_NOT_TRUSTED;
    return is_certificate ? "a certificate of the server is malformed" : NULL;
}
