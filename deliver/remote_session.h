/* One SMTP session with one server: from its greeting to the result of each recipient.
 * RFC 5321, 1870 (SIZE), 2920 (PIPELINING), 6152 (8BITMIME), 6531 (SMTPUTF8). */
#ifndef EKIDEN_REMOTE_SESSION_H
#define EKIDEN_REMOTE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/tai.h>

#include "deliver/failure.h"
#include "deliver/job.h"

/* What the message is, found out once before any connection (remote_scan.h). */
struct remote_message {
    int descriptor; /* of the queue file: read by pread, never closed here */
    uint64_t offset, length, sum;
    bool body_8bit;       /* a byte above 127 stands in the body: what counts is what is there, not
                             what was declared, so that plain text passes everywhere */
    bool header_8bit;     /* a byte above 127 stands in the header */
    bool smtputf8;        /* SMTPUTF8 was asked for when it came */
    uint64_t wire_length; /* octets after CRLF conversion, before dot-stuffing: for SIZE= */
};

struct remote_recipient {
    char const *address; /* as in the envelope, unquoted */
    bool settled;        /* failure says the result, which is final for this try */
    /* Result JOB_DELIVERED with the server's text, or what went wrong. A text with a server's reply
     * is `CODE PEER said: REPLY`, as in `5.1.1 mx.example.org[192.0.2.1]:25 said: 550 5.1.1 no such
     * user`: reports find the two in it (queue/bounce_reason.h). */
    struct failure failure;
};

struct remote_transaction {
    char const *sender; /* unquoted; empty for the null sender (and `#@[]` goes out as null) */
    struct remote_message message;
    struct remote_recipient *recipients;
    unsigned int count;
};

/* Who we are and with whom we talk. */
struct remote_session {
    int in, out;      /* descriptors: the same socket, or in issue 4 the pipes of a TLS engine.
                         Non-blocking */
    char const *helo; /* our name */
    char const *peer; /* for texts: "mx.example.org[192.0.2.1]:25" */
    unsigned int timeout_seconds; /* upper bound of every single wait (`timeoutremote`); RFC 5321
                                     4.5.3.2's own times hold where they are shorter */
    tain deadline;                /* for the whole session, absolute, on skalibs' clock (STAMP) */
    bool may_quit; /* set by remote_session_run: both sides are in step, QUIT is in order */
};

enum remote_outcome {
    REMOTE_SETTLED, /* every recipient is settled */
    REMOTE_NEXT     /* nothing was promised: unsettled recipients may be tried at another server.
                     *failure says why (4.x.x) */
};

/* Runs the session: greeting, EHLO (HELO when EHLO is refused), MAIL, RCPT for each recipient that
 * is not settled, DATA, the message. Closes nothing, and does not say QUIT: the caller first hands
 * the results on, for whatever happens before makes the mail come twice. SIGPIPE must be ignored.
 * Needs about 128 KiB of stack, and no more whatever the server sends.
 * - a failing greeting, EHLO or HELO, a 421 before the final dot was sent, silence, garbage, an
 * answer too many or a lost connection before that: REMOTE_NEXT
 * - 4xx or 5xx to MAIL or DATA, or to the message, also while it is being sent: all recipients not
 * yet settled get that result. An acceptance that comes before the final dot counts for nothing
 * - after the final dot without an answer that can be understood: all recipients of it are
 * deferred, never tried elsewhere in this try (RFC 5321 4.2.5, RFC 1047), to not double the mail
 * more often than the protocol forces
 * - what cannot pass (8-bit without 8BITMIME, UTF-8 without SMTPUTF8, too large for SIZE) fails
 * with 5.6.3, 5.6.7, 5.3.4
 * - message bytes that do not fit their sum while they are sent: the connection is dropped before
 * the final dot, all recipients JOB_CORRUPT */
enum remote_outcome remote_session_run(struct remote_session *session,
                                       struct remote_transaction *transaction,
                                       struct failure *failure);

/* Says QUIT when session->may_quit, and awaits the answer for a few seconds at most: a server that
 * is cut off while it answers logs an error for nothing. Does nothing otherwise. */
void remote_session_quit(struct remote_session *session);

#endif
