/* One SMTP session with one server: from its greeting, or a handshake before it, to the result of
 * each recipient. RFC 5321, 1870 (SIZE), 2920 (PIPELINING), 3207 (STARTTLS), 4954 (AUTH), 6152
 * (8BITMIME), 3030 (CHUNKING), 3461 (DSN), 6531 (SMTPUTF8), 8314 (implicit TLS). */
#ifndef EKIDEN_REMOTE_SESSION_H
#define EKIDEN_REMOTE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/tai.h>

#include "deliver/failure.h"
#include "deliver/job.h"
#include "deliver/remote_extensions.h"
#include "deliver/remote_tls.h"
#include "deliver/remote_way.h"
#include "lib/dsn.h"

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
    struct dsn_recipient dsn;
    bool settled; /* failure says the result, which is final for this try */
    /* Result JOB_DELIVERED with the server's text, or what went wrong. A text with a server's reply
     * is `CODE PEER said: REPLY`, as in `5.1.1 mx.example.org[192.0.2.1]:25 said: 550 5.1.1 no such
     * user`: reports find the two in it (queue/bounce_reason.h). */
    struct failure failure;
};

struct remote_transaction {
    char const *sender; /* unquoted; empty for the null sender (and `#@[]` goes out as null) */
    struct dsn_message dsn;
    struct remote_message message;
    struct remote_recipient *recipients;
    unsigned int count;
    /* Set by remote_session_run: what JOB_DELIVERED means for who asked for a report of success. It
     * is JOB_PASSED_ON by a server with DSN (RFC 3461), which was told what was asked for,
     * JOB_RELAYED by one without, and JOB_DELIVERED by LMTP. */
    enum job_result taken;
};

/* What may be said to the server. */
enum remote_session_state {
    REMOTE_SESSION_NEW,    /* the connection was made: it has not been spoken to */
    REMOTE_SESSION_READY,  /* a transaction: both sides are as after the opening, or after RSET */
    REMOTE_SESSION_MIDWAY, /* RSET: the last transaction ended without a final dot */
    REMOTE_SESSION_OVER    /* no transaction any more */
};

/* Who we are and with whom we talk. */
struct remote_session {
    int descriptor;   /* the connection, non-blocking; with TLS the engine's plain socket takes its
                         place. Owned: remote_session_close */
    char const *helo; /* our name */
    char const *peer; /* for texts: "mx.example.org[192.0.2.1]:25" */
    unsigned int timeout_seconds; /* upper bound of every single wait (`timeoutremote`); RFC 5321
                                     4.5.3.2's own times hold where they are shorter */
    tain deadline;                /* for the whole session, absolute, on skalibs' clock (STAMP) */
    struct remote_way const *way; /* TLS and AUTH as this server is to have them */
    bool in_clear;                /* TLS was tried in vain where it may be missing: goes without */
    bool without_chunks;          /* so was BDAT */
    char const *name; /* the server's for TLS: SNI, and what a certificate to verify must be for;
                         empty for an address, never with VERIFY */
    int tls_service;  /* the socket that takes requests for TLS; -1: there is none */
    enum remote_session_state state;
    /* Set by remote_session_run: */
    bool may_quit;                       /* both sides are in step, QUIT is in order */
    bool logged_in;                      /* by AUTH */
    bool sent;                           /* the final dot was: the server may have the message */
    struct remote_extensions extensions; /* what the server offered, once it is READY */
    struct remote_tls tls;               /* active: the session is inside TLS */
    char tls_problem[JOB_TEXT_MAX + 1];  /* why it is not, though it was tried; else untouched */
};

enum remote_outcome {
    REMOTE_SETTLED, /* every recipient is settled */
    /* Nothing was promised: unsettled recipients may be tried at another server. *failure says why
     * (4.x.x). */
    REMOTE_NEXT,
    REMOTE_NEXT_HOST, /* ... but not at another address of this host: it refused our password, and
                         tries may lock the account */
    REMOTE_STALE, /* ... and also here, on a new connection: this one was used before, and that may
                     be the reason */
    REMOTE_WITHOUT_CHUNKS, /* ... and also here, on a new connection `without_chunks`: the server
                              offers CHUNKING, but does not know BDAT */
    REMOTE_IN_CLEAR /* ... and also here, on a new connection that is `in_clear`: opportunistic TLS
                       failed, which left this one useless */
};

/* Runs the session: TLS when it is implicit, greeting, EHLO (HELO when EHLO is refused), STARTTLS
 * and EHLO, AUTH, MAIL, RCPT for each recipient that is not settled, DATA and the message, or BDAT
 * with it where the server offers that: what is said below of the final dot holds for the last
 * octet of the last chunk then. Closes
 * nothing but a connection that an engine has taken over, and does not say QUIT: the caller first
 * hands the results on, for whatever happens before makes the mail come twice. SIGPIPE must be
 * ignored. Needs about 128 KiB of stack, and no more whatever the server sends.
 * - a failing greeting, EHLO or HELO, a 421 before the final dot was sent, silence, garbage, an
 * answer too many or a lost connection before that: REMOTE_NEXT; *failure is JOB_UNREACHABLE where
 * the server had not answered to MAIL, and its mail is not the reason (as with a password), else
 * JOB_DEFERRED
 * - where the way asks for TLS (ENCRYPT, VERIFY, or a password that goes only under TLS), and it
 * does not come about for whatever reason: 4.7.5 and REMOTE_NEXT, without a word of the message;
 * where it may be missing the session goes on in the clear, and tls_problem says why. Octets in the
 * clear behind the 220 to STARTTLS end the session in any case
 * - AUTH that fails, for whatever reason: REMOTE_NEXT or REMOTE_NEXT_HOST, never a result: what is
 * wrong can be mended while the mail waits
 * - 530, which asks for TLS or AUTH, is JOB_DEFERRED where TLS was tried in vain
 * - 4xx or 5xx to MAIL or DATA, or to the message, also while it is being sent: all recipients not
 * yet settled get that result. An acceptance that comes before the final dot counts for nothing
 * - after the final dot without an answer that can be understood: all recipients of it are
 * deferred, never tried elsewhere in this try (RFC 5321 4.2.5, RFC 1047), to not double the mail
 * more often than the protocol forces
 * - what cannot pass (8-bit without 8BITMIME, UTF-8 without SMTPUTF8, too large for SIZE) fails
 * with 5.6.3, 5.6.7, 5.3.4
 * - message bytes that do not fit their sum while they are sent: the connection is dropped before
 * the final dot, all recipients JOB_CORRUPT
 * - in a session that is READY from a transaction before, whose recipients must all be unsettled:
 * what goes wrong before the final dot, and every 4xx until there, may be the connection's fault
 * (closed meanwhile; so much mail and no more) and leads to REMOTE_STALE, as does any refusal of
 * MAIL. Only 5xx to RCPT and DATA count as they are
 * - the state is READY or MIDWAY afterwards when the mail was not put off (by any 4xx: servers that
 * take only so much in one session say so in many ways), MAIL not refused, and nothing was said
 * unasked */
enum remote_outcome remote_session_run(struct remote_session *session,
                                       struct remote_transaction *transaction,
                                       struct failure *failure);

/* Says RSET in a session that is MIDWAY, which makes it READY, or OVER when the server does not
 * agree within seconds. Does nothing otherwise. */
void remote_session_reset(struct remote_session *session);

/* Says QUIT when session->may_quit, and awaits the answer for a few seconds at most: a server that
 * is cut off while it answers logs an error for nothing. Does nothing otherwise. */
void remote_session_quit(struct remote_session *session);

/* Closes what the session has open; inside TLS the engine says close_notify. */
void remote_session_close(struct remote_session *session);

#endif
