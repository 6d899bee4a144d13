/* What is wrong with a server's certificates, in words: they end up in the log and in a report. */
#ifndef EKIDEN_CLIENT_REASON_H
#define EKIDEN_CLIENT_REASON_H

#include "tls/client_chain.h"

/* The words for ERROR (br_ssl_engine_last_error), and for what CHAIN itself found. Static text; 0
 * when it is not about certificates: then tls/reason.h has the words. */
char const *client_reason(struct client_chain const *chain, int error);

#endif
