/* Why a handshake as client failed, in words: they end up in the log and in a report. */
#ifndef EKIDEN_CLIENT_REASON_H
#define EKIDEN_CLIENT_REASON_H

#include "tls/client_chain.h"

/* The words for ERROR (BR_ERR_* and BR_ERR_X509_*, an alert added to BR_ERR_RECV_FATAL_ALERT or
 * BR_ERR_SEND_FATAL_ALERT), what CHAIN itself found first. CHAIN may be 0. Static text. */
char const *client_reason(struct client_chain const *chain, int error);

#endif
