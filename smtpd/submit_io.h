/* What both ways of queueing need: waiting with a deadline. */
#ifndef EKIDEN_SUBMIT_IO_H
#define EKIDEN_SUBMIT_IO_H

#include <stdbool.h>

#define SUBMIT_START_MILLISECONDS  30000
#define SUBMIT_WRITE_MILLISECONDS  300000
#define SUBMIT_COMMIT_MILLISECONDS 590000 /* a client waits ten minutes (RFC 5321 4.5.3.2.6) */

/* Waits for EVENTS (poll's) on DESCRIPTOR. False after MILLISECONDS. */
bool submit_wait(int descriptor, short events, int milliseconds);

/* Closes what is open, and notes that it is closed. */
void submit_close(int *descriptor);

#endif
