/* What a client makes of the certificates that a server shows: an X.509 engine for BearSSL.
 *
 * verify: br_x509_minimal judges names, dates, signatures and authorities; added is that the name
 * must stand in the subjectAltName (RFC 6125 6.4.4: a common name does not count any more), and
 * which of the two dates was missed. encrypt: any chain will do, and only the key of its first
 * certificate is taken, for the signature of the key exchange. Both bound what a server can make
 * us read. */
#ifndef EKIDEN_CLIENT_CHAIN_H
#define EKIDEN_CLIENT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <bearssl.h>

#define CLIENT_CHAIN_MAX        20           /* certificates */
#define CLIENT_CHAIN_OCTETS_MAX (128u << 10) /* of all of them */
#define CLIENT_CHAIN_NAME_MAX   256

struct client_chain {
    br_x509_class const *vtable; /* first: BearSSL takes a pointer to it for the engine */
    br_x509_minimal_context minimal;
    br_x509_decoder_context decoder; /* of the certificate at hand, where it is looked at */
    br_x509_pkey key;                /* encrypt: of the first certificate; points into octets */
    unsigned char octets[BR_X509_BUFSIZE_KEY];
    br_name_element alternative; /* the first dNSName: whether there is one */
    char alternative_text[CLIENT_CHAIN_NAME_MAX];
    uint32_t days, seconds; /* now, as BearSSL counts: from the year 0 */
    bool verify;
    size_t count, length; /* certificates; octets */
    unsigned int error;   /* BR_ERR_X509_*; 0: none yet */
    char const *refusal;  /* what was wrong, in words; 0: error says it */
    char const *dates;    /* which date was missed first, for an error of BearSSL's */
};

/* Prepares CHAIN. With VERIFY the name that BearSSL passes on (the engine's server name) and one of
 * the COUNT ANCHORS decide; ANCHORS must outlive CHAIN. NOW is the time by which dates count. */
void client_chain_start(struct client_chain *chain, bool verify,
                        br_x509_trust_anchor const *anchors, size_t count, time_t now);

/* The engine for br_ssl_engine_set_x509. */
br_x509_class const **client_chain_engine(struct client_chain *chain);

#endif
