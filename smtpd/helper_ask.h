/* The dialogue's side of helper.h: asks the keeper for a helper, and hears what it says. */
#ifndef EKIDEN_HELPER_ASK_H
#define EKIDEN_HELPER_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "smtpd/helper.h"
#include "smtpd/stream.h"

/* Sends the LENGTH bytes of REQUEST on the socket REQUESTS. Returns our end of its pair, -1 after
 * logging. */
int helper_request(int requests, char const *request, size_t length);

/* The same for a direct helper KIND, on a socket pair of TYPE (SOCK_STREAM, SOCK_SEQPACKET). What
 * is written to the returned end waits until the helper reads it. */
int helper_talk(int requests, enum helper_kind kind, int type);

/* Takes the keeper's first word from ANSWERS, which is readable: true with COUNT channels, the
 * caller's to close; false when the helper was not started. */
bool helper_take_channels(int answers, int *channels, unsigned int count);

/* Takes the exit code from ANSWERS, which is readable. -1: it was never told. */
int helper_take_exit(int answers);

enum helper_answer {
    HELPER_YES,     /* exit 0, and it had read all that it was told */
    HELPER_NO,      /* exit 1 */
    HELPER_FAILED,  /* anything else */
    HELPER_TIMEOUT, /* it took longer than timeoutauth, and is killed */
    HELPER_STOPPED  /* SIGTERM came meanwhile */
};

/* Has a helper of fd 3 (HELPER_AUTH, HELPER_BUDGET) judge SIZE bytes, at most 4096. *code is its
 * exit code, -1 where there is none. STREAM is the session's, for its deadlines; it is not written
 * to. Waits ten seconds for the start, and timeoutauth for the answer. */
enum helper_answer helper_ask(struct stream *stream, char const *request, size_t length,
                              char const *bytes, size_t size, int *code);

#endif
