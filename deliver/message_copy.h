/* The bytes of one message on their way from the queue file into a mailbox file. */
#ifndef EKIDEN_MESSAGE_COPY_H
#define EKIDEN_MESSAGE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "deliver/failure.h"
#include "deliver/header_filter.h"

#define MESSAGE_COPY_BUFFER (64u << 10)
/* Return-Path and Delivered-To: each address quoted can be twice as long, and two more. */
#define MESSAGE_COPY_TRACE_MAX                                                                     \
    (2 * (2 * JOB_ADDRESS_MAX + 2) + sizeof "Return-Path: <>\nDelivered-To: \n")

/* Room for one copy after another. */
struct message_copy {
    struct header_filter filter;
    stralloc trace; /* owned */
    char in[MESSAGE_COPY_BUFFER];
    char out[MESSAGE_COPY_TRACE_MAX + MESSAGE_COPY_BUFFER + 2 * HEADER_FILTER_HELD_MAX];
};

/* Takes a piece of the copy. False: errno. */
typedef bool message_copy_write_func(void *context, char const *bytes, size_t length);

enum message_copy_trace {
    MESSAGE_COPY_DELIVER, /* Return-Path with the sender, Delivered-To with the recipient */
    MESSAGE_COPY_FORWARD  /* Delivered-To only: the final delivery writes the Return-Path */
};

/* Hands to WRITE: the TRACE fields, then JOB's message from FROM (by pread) without its Return-Path
 * fields. *written is the number of bytes. False: FAILURE says why (JOB_CORRUPT where length or
 * checksum do not fit, JOB_FAILED for a loop), and what was written is a part to be thrown away. */
bool message_copy_through(struct message_copy *copy, struct job const *job, int from,
                          enum message_copy_trace trace, message_copy_write_func *write,
                          void *context, uint64_t *written, struct failure *failure);

/* Reads the header only. True, with FAILURE, when it says that the message was delivered to this
 * recipient before, or when it cannot be read. */
bool message_copy_is_loop(struct message_copy *copy, struct job const *job, int from,
                          struct failure *failure);

/* The same as message_copy_through into the file TO, with the trace of a delivery. */
bool message_copy(struct message_copy *copy, struct job const *job, int from, int to,
                  uint64_t *written, struct failure *failure);

#endif
