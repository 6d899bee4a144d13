/* Command and answer: what we send to a server is matched with what it says, in order and in time.
 */
#ifndef EKIDEN_REMOTE_TALK_H
#define EKIDEN_REMOTE_TALK_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/stralloc.h>

#include "deliver/failure.h"
#include "deliver/remote_extensions.h"
#include "deliver/remote_reply.h"
#include "deliver/remote_session.h"
#include "deliver/remote_stream.h"

/* What an answer is to. Each has its time (RFC 5321 4.5.3.2). */
enum remote_stage {
    REMOTE_GREETING,
    REMOTE_EHLO,
    REMOTE_HELO,
    REMOTE_LHLO,
    REMOTE_STARTTLS,
    REMOTE_HANDSHAKE,
    REMOTE_AUTH,
    REMOTE_MAIL,
    REMOTE_RCPT,
    REMOTE_DATA,
    REMOTE_CHUNK,   /* BDAT, but not the last one */
    REMOTE_MESSAGE, /* the bytes of the message go out: nothing should be said */
    REMOTE_END,     /* the final dot */
    REMOTE_END_TOO, /* LMTP: a further answer to it, for a further recipient */
    REMOTE_RSET,
    REMOTE_QUIT
};

struct remote_talk {
    struct remote_session const *session;
    struct remote_extensions extensions; /* of the last EHLO */
    struct remote_reply reply;           /* the last one heard */
    uint64_t replies;                    /* how many were heard to commands */
    bool is_put_off;                     /* one of them, to MAIL or what comes behind it, was 4xx */
    struct failure lost; /* why nothing more can be said: 4.x.x, JOB_DEFERRED or JOB_UNREACHABLE */
    struct remote_stream stream;
};

void remote_talk_start(struct remote_talk *talk, struct remote_session const *session);

/* Of the last reply: 2xx; 4xx or 5xx. */
bool remote_talk_is_ok(struct remote_talk const *talk);
bool remote_talk_is_refusal(struct remote_talk const *talk);

/* Sends LINE with its CRLF: puts it into the stream, which sends it while we wait for an answer.
 * False when there is no room at the moment. */
bool remote_talk_say(struct remote_talk *talk, char const *line, size_t length);

/* True when the server has said nothing unasked, and is still there: before a command that waits
 * for no other's answer. Else talk->lost says what happened. */
bool remote_talk_is_quiet(struct remote_talk *talk, enum remote_stage stage);

/* Sends what is to be sent and waits for one reply, the one of STAGE. One time holds for the whole
 * of it: octets that come one by one do not prolong it. False: talk->lost says why; nothing more
 * may be said to this server:
 * - it did not answer in time, went away, or sent what is no reply
 * - it answered before a command was sent
 * - it said 421, except to the final dot, where that is an answer as others are
 * Lines of the reply to EHLO and LHLO are taken for extensions. */
bool remote_talk_hear(struct remote_talk *talk, enum remote_stage stage);

/* Sends what is to be sent, the bytes of a message, until the server speaks. */
enum remote_sending {
    REMOTE_SENT,
    REMOTE_INTERRUPTED, /* it has something to say, or takes nothing more: remote_talk_hear */
    REMOTE_UNSENT       /* talk->lost says why */
};
enum remote_sending remote_talk_send(struct remote_talk *talk);

/* The server answers before it has the message: talk->lost. */
void remote_talk_is_early(struct remote_talk *talk, enum remote_stage stage);

/* Sends all that is to be sent, the bytes of a message. False when the server spoke meanwhile or
 * went away: *refused says that it answered 4xx or 5xx (talk->reply), which is the answer to the
 * message; else talk->lost. An acceptance of what was not yet sent is none. */
bool remote_talk_flush(struct remote_talk *talk, bool *refused);

/* The seconds that STAGE may take at most, beside what is left of the session; the time until which
 * it may last from now. */
unsigned int remote_talk_seconds(struct remote_talk const *talk, enum remote_stage stage);
void remote_talk_deadline(struct remote_talk const *talk, enum remote_stage stage, tain *deadline);

/* Set talk->lost: the reply makes no sense at STAGE; and "CODE PEER WHAT (STAGE)". */
void remote_talk_is_confused(struct remote_talk *talk, enum remote_stage stage);
void remote_talk_lose(struct remote_talk *talk, enum remote_stage stage, char const *code,
                      char const *what);

/* "5.1.1 mx.example.org[192.0.2.1]:25 said: 550 5.1.1 no such user (RCPT)": RESULT from the last
 * reply. The enhanced code is the server's, with the class that RESULT has, or made from the
 * reply's code. The text is cut, the stage never. */
void remote_talk_failure(struct remote_talk const *talk, enum remote_stage stage,
                         enum job_result result, struct failure *failure);

#endif
