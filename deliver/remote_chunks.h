/* The bytes of a message by BDAT (RFC 3030). */
#ifndef EKIDEN_REMOTE_CHUNKS_H
#define EKIDEN_REMOTE_CHUNKS_H

#include "deliver/remote_body.h"

/* As remote_body_send, in chunks of 1 MiB, each of which must have been accepted before the last
 * one begins: a server that refuses one and takes the others would have a part of the message. With
 * PIPELINING a chunk goes out while the answer to the one before it is awaited. In every case but
 * SENT the last chunk was not sent whole. */
enum remote_body remote_chunks_send(struct remote_talk *talk, struct remote_message const *message,
                                    struct failure *failure);

#endif
