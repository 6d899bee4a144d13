/* The client's side of TLS: what ekiden-tls -c allows, asks and verifies. TLS 1.2 with ECDHE and
 * AEAD alone; where no certificate is verified, ECDHE with CBC besides, because the other choice is
 * a connection in the clear. */
#ifndef EKIDEN_CLIENT_SETUP_H
#define EKIDEN_CLIENT_SETUP_H

#include <bearssl.h>

#include "tls/anchors.h"
#include "tls/client_chain.h"
#include "tls/tls_request.h"

struct client {
    br_ssl_client_context context;
    struct client_chain chain;
};

/* Prepares CLIENT for what REQUEST asks, up to its first byte; ANCHORS, decoded where the level is
 * verify, must outlive it. Returns 0, or why it cannot be: printable ASCII, valid as long as
 * ANCHORS. */
char const *client_prepare(struct client *client, struct tls_request const *request,
                           struct anchors const *anchors);

#endif
