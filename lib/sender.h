/* Sending messages of skalibs' unixmessage. */
#ifndef EKIDEN_SENDER_H
#define EKIDEN_SENDER_H

#include <stdbool.h>

#include <skalibs/unixmessage.h>

/* As unixmessage_sender_flush: sends what waits in SENDER, as far as the socket takes it. False:
 * errno, EAGAIN when it has to be called again. Of a message that went out in part (a long one, or
 * the kernel found no memory in its midst) skalibs 2.13 sends the rest, and then all of it once
 * more; and sender_free would close its descriptors twice. SIGPIPE must be ignored. */
bool sender_flush(unixmessage_sender *sender);

#endif
