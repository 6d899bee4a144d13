/* The bytes of a message, from the queue file to the server. */
#ifndef EKIDEN_REMOTE_BODY_H
#define EKIDEN_REMOTE_BODY_H

#include "deliver/remote_talk.h"

enum remote_body {
    REMOTE_BODY_SENT,    /* all of it, and its end: the server may have the message */
    REMOTE_BODY_REFUSED, /* 4xx or 5xx came in the midst of it: talk->reply */
    REMOTE_BODY_LOST,    /* the server is gone or confused: talk->lost */
    REMOTE_BODY_UNFIT /* *failure: the file cannot be read, or is not what it was (JOB_CORRUPT) */
};

/* Sends MESSAGE, dot-stuffed and with CRLF (remote_data.h), and the final dot once all of it has
 * been read and fits its checksum. In every case but SENT the final dot was not sent whole, and the
 * connection is of no more use. */
enum remote_body remote_body_send(struct remote_talk *talk, struct remote_message const *message,
                                  struct failure *failure);

#endif
