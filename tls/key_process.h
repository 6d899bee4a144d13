/* The process that holds the private keys. It reads tls/ in the control folder, gives chains to
 * engines, and signs their key exchanges: one a channel. Nobody gets a key, and nothing else is
 * signed. */
#ifndef EKIDEN_KEY_PROCESS_H
#define EKIDEN_KEY_PROCESS_H

#include <stdbool.h>

#include "lib/control.h"
#include "lib/privilege.h"

/* Serves channels (tls/key_protocol.h) that come over CHANNELS, until that is closed at its other
 * end and no channel is left. LASTS: there will be many, so sessions are kept for clients that
 * resume them, as `tlsresumption` has it. The process is its user's already; this puts up the
 * fence. SIGTERM does not end it: engines that shake hands need it, and it ends with the last of
 * them. */
_Noreturn void key_process_run(struct control const *control, int channels, bool lasts);

/* The same from the fork on: keeps its descriptors and no others, and becomes USER. */
_Noreturn void key_process_start(struct control const *control, int channels, bool lasts,
                                 struct privilege_user const *user);

/* Its fence: files can be read below ROOT, a descriptor of the root folder, and nothing written. */
void key_process_fence(int root);

#endif
