/* What the message is, before it goes to another server: one pass over the queue file. */
#ifndef EKIDEN_REMOTE_SCAN_H
#define EKIDEN_REMOTE_SCAN_H

#include "deliver/remote_session.h"

enum remote_scan {
    REMOTE_SCAN_OK,
    REMOTE_SCAN_CORRUPT, /* the file ends early, or its bytes do not fit message->sum */
    REMOTE_SCAN_ERROR    /* the file cannot be read: errno */
};

/* Reads message->length bytes at message->offset of message->descriptor (pread) and sets body_8bit,
 * header_8bit and wire_length; descriptor, offset, length, sum and smtputf8 are the caller's. The
 * header ends with the first empty line, as the receiver will see it: LF, CR LF and a lone CR each
 * end a line (remote_data.h). What was set is meaningless unless the result is REMOTE_SCAN_OK. */
enum remote_scan remote_scan_message(struct remote_message *message);

#endif
