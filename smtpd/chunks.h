/* BDAT: a message in chunks of known size (RFC 3030 2). */
#ifndef EKIDEN_CHUNKS_H
#define EKIDEN_CHUNKS_H

#include "smtpd/session.h"

/* Takes one chunk and answers it. The octets of a chunk that is refused are read and dropped, so
 * that they are never run as commands; where the size is not known, the session ends. */
void chunks_run(struct session *session, struct command const *command);

#endif
