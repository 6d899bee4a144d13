#include "deliver/remote_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/stralloc.h>

#include "deliver/remote_body.h"
#include "deliver/remote_chunks.h"
#include "deliver/remote_envelope.h"
#include "deliver/remote_opening.h"
#include "deliver/remote_talk.h"

/* How a part of the conversation ended. */
enum part {
    PART_DONE, /* and the next one may begin */
    PART_OVER, /* nothing more is to be done for the recipients; QUIT is in order */
    PART_DEAD, /* likewise, but nothing more can be said */
    PART_LOST  /* talk->lost: unsettled recipients may be tried elsewhere */
};

struct conversation {
    struct remote_transaction *transaction;
    stralloc line; /* owned: the command that is being made */
    unsigned int accepted;
    bool is_reused;              /* the session had a transaction before */
    bool by_chunks;              /* BDAT in place of DATA */
    bool sent;                   /* the message, with its final dot */
    bool said_mail;              /* or tried to */
    bool has_mail;               /* MAIL was accepted */
    bool is_astray;              /* it was not, and yet a RCPT behind it was */
    struct failure mail_failure; /* or refused: JOB_DELIVERED while it is not */
    enum remote_outcome outcome; /* unless all are settled */
    struct remote_talk *talk;
};

/* True for a 530 where TLS was tried in vain: it asks for what may work at the next try. */
static bool is_mendable(struct remote_talk const *talk)
{
    return talk->reply.code == 530 && talk->session->tls_problem[0];
}

static enum job_result result_of(struct remote_talk const *talk)
{
    if (remote_talk_is_ok(talk))
        return JOB_DELIVERED;
    return talk->reply.code / 100 == 5 && !is_mendable(talk) ? JOB_FAILED : JOB_DEFERRED;
}

static enum part confused(struct remote_talk *talk, enum remote_stage stage)
{
    remote_talk_is_confused(talk, stage);
    return PART_LOST;
}

/* The commands of a transaction by number: 0 is MAIL, 1 to count are the RCPTs, then comes DATA
 * unless it goes by chunks.
 * The next one after NUMBER, without the recipients that have their result. */
static unsigned int next_command(struct remote_transaction const *transaction, unsigned int number)
{
    do
        number++;
    while (number <= transaction->count && transaction->recipients[number - 1].settled);
    return number;
}

static unsigned int last_command(struct conversation const *c)
{
    return c->transaction->count + !c->by_chunks;
}

/* Says command NUMBER. False when there is no room for it now, or (errno is ENOMEM) no memory. */
static bool say_command(struct conversation *c, unsigned int number)
{
    struct remote_transaction const *const transaction = c->transaction;
    bool made;
    c->said_mail = true;
    if (number == 0)
        made = remote_envelope_mail(&c->line, transaction, &c->talk->extensions);
    else if (number <= transaction->count)
        made = remote_envelope_rcpt(&c->line, transaction, transaction->recipients + number - 1);
    else
        made = stralloc_copys(&c->line, "DATA") != 0;
    errno = made ? EAGAIN : ENOMEM;
    return made && remote_talk_say(c->talk, c->line.s, c->line.len);
}

/* The answer to MAIL. */
static enum part take_mail(struct conversation *c)
{
    c->has_mail = remote_talk_is_ok(c->talk);
    if (!c->has_mail && !remote_talk_is_refusal(c->talk))
        return confused(c->talk, REMOTE_MAIL);
    if (!c->has_mail)
        remote_talk_failure(c->talk, REMOTE_MAIL, result_of(c->talk), &c->mail_failure);
    return PART_DONE;
}

/* The answer to one RCPT. Without MAIL it means nothing. 251 and 551 name another address: it is
 * not followed, for anybody can say anything. */
static enum part take_rcpt(struct conversation *c, struct remote_recipient *recipient)
{
    struct remote_talk *const talk = c->talk;
    if (!remote_talk_is_ok(talk) && !remote_talk_is_refusal(talk))
        return confused(talk, REMOTE_RCPT);
    if (!c->has_mail) {
        c->is_astray |= remote_talk_is_ok(talk);
        return PART_DONE;
    }
    if (remote_talk_is_ok(talk)) {
        c->accepted++;
        return PART_DONE;
    }
    /* "too many recipients", RFC 5321 4.5.3.1.10: the next try brings the rest */
    bool const too_many = talk->reply.code == 552 && c->accepted > 0;
    recipient->settled = true;
    remote_talk_failure(talk, REMOTE_RCPT, too_many ? JOB_DEFERRED : result_of(talk),
                        &recipient->failure);
    return PART_DONE;
}

/* The server waits for a message, but has accepted no recipient (RFC 2920 3.1): an empty one. What
 * it says to that is of no interest, and not worth a long wait. */
static enum part send_nothing(struct remote_talk *talk)
{
    return remote_talk_say(talk, ".", 1) && remote_talk_hear(talk, REMOTE_QUIT) ? PART_OVER
                                                                                : PART_DEAD;
}

/* The answer to DATA. Without a recipient nothing hangs on it. */
static enum part take_data(struct conversation *c)
{
    struct remote_talk *const talk = c->talk;
    struct failure failure;
    if (talk->reply.code / 100 == 3 && c->accepted)
        return PART_DONE;
    /* A server that forgets what it refused would deliver the empty message. */
    if (talk->reply.code / 100 == 3)
        return c->is_astray ? PART_DEAD : send_nothing(talk);
    if (!remote_talk_is_refusal(talk))
        return c->accepted ? confused(talk, REMOTE_DATA) : PART_DEAD;
    if (c->accepted) {
        remote_talk_failure(talk, REMOTE_DATA, result_of(talk), &failure);
        remote_envelope_settle(c->transaction, &failure);
    }
    return PART_OVER;
}

static enum part take_answer(struct conversation *c, unsigned int number)
{
    if (number == 0)
        return take_mail(c);
    if (number <= c->transaction->count)
        return take_rcpt(c, c->transaction->recipients + number - 1);
    return take_data(c);
}

/* Says what may be said now: with PIPELINING as much as there is room for, else one command. */
static enum part say_commands(struct conversation *c, unsigned int *said, unsigned int heard)
{
    unsigned int const data = c->transaction->count + 1;
    while (*said <= last_command(c) && (c->talk->extensions.pipelining || *said == heard)) {
        enum remote_stage const stage = *said == 0     ? REMOTE_MAIL
                                        : *said < data ? REMOTE_RCPT
                                                       : REMOTE_DATA;
        if (*said == heard && *said > 0 && (!c->has_mail || (*said == data && !c->accepted)))
            return PART_OVER; /* nobody to go on for, and nothing is said that binds us */
        if (*said == heard && !remote_talk_is_quiet(c->talk, stage))
            return PART_LOST;
        if (!say_command(c, *said)) {
            if (errno == EAGAIN)
                return PART_DONE; /* it goes out while we hear */
            failure_system(&c->talk->lost, "delivery needs more memory", "", errno);
            return PART_LOST;
        }
        *said = next_command(c->transaction, *said);
    }
    return PART_DONE;
}

/* MAIL, RCPT and DATA up to the answer that asks for the message. By chunks: nobody asks for it. */
static enum part give_envelope(struct conversation *c)
{
    static enum remote_stage const stages[] = {REMOTE_MAIL, REMOTE_RCPT, REMOTE_DATA};
    unsigned int const data = c->transaction->count + 1;
    unsigned int said = 0, heard = 0;
    enum part part = PART_DONE;
    while (heard <= last_command(c) && part == PART_DONE) {
        part = say_commands(c, &said, heard);
        if (part != PART_DONE)
            break;
        if (!remote_talk_hear(c->talk, stages[heard == 0 ? 0 : heard < data ? 1 : 2]))
            return PART_LOST;
        part = take_answer(c, heard);
        heard = next_command(c->transaction, heard);
    }
    if (part == PART_DONE && (!c->has_mail || !c->accepted))
        return PART_OVER;
    return part;
}

/* The answer to the final dot. False: there is none. */
static bool take_end(struct remote_talk *talk, enum remote_stage stage, struct failure *failure)
{
    if (remote_talk_hear(talk, stage)) {
        remote_talk_failure(talk, stage, result_of(talk), failure);
        return true;
    }
    failure->result = JOB_DEFERRED;
    snprintf(failure->text, sizeof failure->text, "%.300s: it may have the message all the same",
             talk->lost.text);
    return false;
}

/* LMTP (RFC 2033 4.2): an answer for each recipient that was accepted, in their order; those are
 * the ones without a result. What comes behind is for nobody. */
static enum part take_ends(struct conversation *c)
{
    struct remote_transaction *const transaction = c->transaction;
    enum remote_stage stage = REMOTE_END;
    enum part part = PART_OVER;
    for (unsigned int i = 0; i < transaction->count; i++) {
        struct remote_recipient *const recipient = transaction->recipients + i;
        if (recipient->settled)
            continue;
        if (!take_end(c->talk, stage, &recipient->failure)) {
            struct failure const failure = recipient->failure;
            remote_envelope_settle(transaction, &failure);
            return PART_DEAD;
        }
        recipient->settled = true;
        if (c->talk->reply.code == 421)
            part = PART_DEAD;
        stage = REMOTE_END_TOO;
    }
    return part;
}

/* The answer to a chunk, or to the last one, that is none to the message: something on the way, or
 * the server itself, does not know what the server offers. */
static bool is_ignorant(struct conversation const *c)
{
    unsigned int const code = c->talk->reply.code;
    return c->by_chunks && (code == 500 || (code >= 502 && code <= 504));
}

static enum part go_without_chunks(struct conversation *c)
{
    remote_talk_lose(c->talk, REMOTE_CHUNK, "4.5.0", "offers CHUNKING, but does not know BDAT");
    c->outcome = REMOTE_WITHOUT_CHUNKS;
    c->sent = false; /* and was refused */
    return PART_LOST;
}

/* The message, and what the server says to it. Once the final dot is out, the server may have the
 * message whatever happens then: to ask another one would double it (RFC 1047). */
static enum part give_message(struct conversation *c)
{
    struct remote_talk *const talk = c->talk;
    struct failure failure;
    enum part part = PART_DEAD;
    enum remote_body (*const send)(struct remote_talk *, struct remote_message const *,
                                   struct failure *) =
        c->by_chunks ? remote_chunks_send : remote_body_send;
    switch (send(talk, &c->transaction->message, &failure)) {
    case REMOTE_BODY_LOST:
        return PART_LOST;
    case REMOTE_BODY_UNFIT:
        break;
    case REMOTE_BODY_REFUSED:
        if (is_ignorant(c))
            return go_without_chunks(c);
        remote_talk_failure(talk, REMOTE_MESSAGE, result_of(talk), &failure);
        break;
    case REMOTE_BODY_SENT:
        c->sent = true;
        if (talk->session->way->lmtp)
            return take_ends(c);
        if (!take_end(talk, REMOTE_END, &failure))
            break;
        if (is_ignorant(c))
            return go_without_chunks(c);
        part = talk->reply.code == 421 ? PART_DEAD : PART_OVER;
        break;
    }
    remote_envelope_settle(c->transaction, &failure);
    return part;
}

/* True: the server is ready for a transaction. */
static bool open_session(struct conversation *c, struct remote_session *session)
{
    if (c->is_reused) {
        c->talk->extensions = session->extensions;
        return true;
    }
    if (!remote_opening_run(session, c->talk, &c->outcome))
        return false;
    session->extensions = c->talk->extensions;
    return true;
}

/* Behind another transaction an answer to it may still come, one too many. The answer to DATA,
 * which is like no other, shows it; without it the one to RCPT could pass for the one to the
 * message. */
static bool may_use_chunks(struct conversation const *c, struct remote_session const *session)
{
    return c->talk->extensions.chunking && !session->without_chunks && !c->is_reused;
}

static enum part converse(struct conversation *c, struct remote_session *session)
{
    if (!open_session(c, session))
        return PART_LOST;
    c->transaction->taken = session->way->lmtp        ? JOB_DELIVERED
                            : c->talk->extensions.dsn ? JOB_PASSED_ON
                                                      : JOB_RELAYED;
    remote_envelope_fit(c->transaction, &c->talk->extensions, session->peer);
    if (remote_envelope_open(c->transaction) == 0)
        return PART_OVER;
    c->by_chunks = may_use_chunks(c, session);
    enum part const part = give_envelope(c);
    if (c->mail_failure.result != JOB_DELIVERED && !c->is_reused) /* whatever happened afterwards */
        remote_envelope_settle(c->transaction, &c->mail_failure);
    return part == PART_DONE ? give_message(c) : part;
}

/* What the server may be asked for after the transaction, which ended as PART. */
static enum remote_session_state state_after(struct conversation const *c, enum part part)
{
    struct remote_talk const *const talk = c->talk;
    if (part != PART_OVER || talk->is_put_off || remote_stream_has_input(&talk->stream))
        return REMOTE_SESSION_OVER;
    /* RFC 3030 2: a chunk that is refused leaves the transaction in an unknown state. What LMTP
     * says is about recipients. */
    bool const ended =
        c->sent && (!c->by_chunks || talk->session->way->lmtp || remote_talk_is_ok(talk));
    if (!c->said_mail || ended)
        return REMOTE_SESSION_READY;
    return c->has_mail ? REMOTE_SESSION_MIDWAY : REMOTE_SESSION_OVER;
}

/* The outcome for those that are not settled. */
static enum remote_outcome leave_open(struct conversation *c, struct failure *failure)
{
    if (c->mail_failure.result != JOB_DELIVERED)
        *failure = c->mail_failure;
    else if (c->talk->lost.result != JOB_DELIVERED)
        *failure = c->talk->lost;
    return c->is_reused ? REMOTE_STALE : c->outcome;
}

/* What a session that is used again has said before it had the message is heard once more from a
 * new one, where it was temporary. And where it was not, but may be about another recipient: an
 * answer too many of the transaction before (LMTP servers have some) shifts all others by one, and
 * only the one to DATA shows that it is not so. */
static void reopen(struct conversation const *c, enum part part, struct failure *failure)
{
    struct remote_transaction *const transaction = c->transaction;
    (void)remote_envelope_reopen(transaction, failure);
    if (!c->said_mail || (part != PART_LOST && !c->talk->session->way->lmtp))
        return;
    for (unsigned int i = 0; i < transaction->count; i++)
        if (transaction->recipients[i].settled) {
            transaction->recipients[i].settled = false;
            *failure = transaction->recipients[i].failure;
        }
}

enum remote_outcome remote_session_run(struct remote_session *session,
                                       struct remote_transaction *transaction,
                                       struct failure *failure)
{
    struct remote_talk talk; /* large: not cleared for each transaction */
    struct conversation c = {.transaction = transaction,
                             .talk = &talk,
                             .line = STRALLOC_ZERO,
                             .is_reused = session->state == REMOTE_SESSION_READY,
                             .outcome = REMOTE_NEXT};
    session->sent = false;
    if (!c.is_reused) {
        session->may_quit = session->logged_in = false;
        remote_tls_clear(&session->tls);
    }
    failure_clear(&c.mail_failure);
    tain_now_g();
    remote_envelope_check(transaction);
    if (remote_envelope_open(transaction) == 0)
        return REMOTE_SETTLED;
    session->may_quit = false;
    remote_talk_start(&talk, session);
    enum part const part = converse(&c, session);
    session->may_quit |= part == PART_OVER;
    session->sent = c.sent;
    session->state = state_after(&c, part);
    stralloc_free(&c.line);
    if (c.is_reused && !c.sent)
        reopen(&c, part, failure);
    if (remote_envelope_open(transaction) == 0)
        return REMOTE_SETTLED;
    return leave_open(&c, failure);
}

/* Says LINE and hears the answer, to which nothing is left to be settled. */
static bool exchange(struct remote_session *session, char const *line, enum remote_stage stage,
                     bool *is_refused)
{
    struct remote_talk talk;
    tain_now_g();
    remote_talk_start(&talk, session);
    bool const heard = remote_talk_is_quiet(&talk, stage) &&
                       remote_talk_say(&talk, line, strlen(line)) && remote_talk_hear(&talk, stage);
    *is_refused = heard && remote_talk_is_refusal(&talk);
    return heard && remote_talk_is_ok(&talk);
}

void remote_session_reset(struct remote_session *session)
{
    if (session->state != REMOTE_SESSION_MIDWAY)
        return;
    bool const done = exchange(session, "RSET", REMOTE_RSET, &session->may_quit);
    session->state = done ? REMOTE_SESSION_READY : REMOTE_SESSION_OVER;
    session->may_quit |= done;
}

void remote_session_quit(struct remote_session *session)
{
    bool is_refused;
    if (session->may_quit)
        (void)exchange(session, "QUIT", REMOTE_QUIT, &is_refused);
    session->may_quit = false;
}

void remote_session_close(struct remote_session *session)
{
    if (session->tls.active) {
        remote_tls_end(&session->tls);
    } else if (session->descriptor >= 0) {
        /* a service that was asked for TLS and hangs has the connection, too */
        shutdown(session->descriptor, SHUT_RDWR);
        close(session->descriptor);
    }
    session->descriptor = -1;
    session->state = REMOTE_SESSION_OVER;
}
