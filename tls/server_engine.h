/* The server's side of TLS: which certificate and suite a client gets. The key is elsewhere. */
#ifndef EKIDEN_SERVER_ENGINE_H
#define EKIDEN_SERVER_ENGINE_H

#include "tls/engine.h"

/* Serves one connection as server, with CHANNEL to the key process (tls/key_channel.h), from the
 * question for the default certificate to the end of the connection. Puts up engine_fence first.
 * Everything is closed then. */
void server_engine_serve(struct engine_ends const *ends, unsigned int seconds, int channel);

#endif
