/* The process beside the program of one connection (tls/ucspi.h): waits for its word, starts a key
 * process and an engine, and says what TLS came to. */
#ifndef EKIDEN_UCSPI_ENGINE_H
#define EKIDEN_UCSPI_ENGINE_H

#include <stdbool.h>

#include "lib/control.h"

/* Runs it, from its fork to its end, with the connection as fd 0 and 1. CONTROL_END is its end of
 * the control socket, PLAIN the engine's end of the plain one. With AT_ONCE it does not wait for a
 * word. */
_Noreturn void ucspi_engine_run(struct control const *control, bool at_once, int control_end,
                                int plain);

#endif
