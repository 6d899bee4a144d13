#include "deliver/remote_talk.h"

#include <stdio.h>
#include <string.h>

#include "lib/compat.h"

static struct {
    char const *name;
    unsigned int seconds;
} const stages[] = {
    [REMOTE_GREETING] = {"greeting", 300},
    [REMOTE_EHLO] = {"EHLO", 300},
    [REMOTE_HELO] = {"HELO", 300},
    [REMOTE_LHLO] = {"LHLO", 300},
    [REMOTE_STARTTLS] = {"STARTTLS", 120},
    [REMOTE_HANDSHAKE] = {"TLS", 60},
    [REMOTE_AUTH] = {"AUTH", 120},
    [REMOTE_MAIL] = {"MAIL", 300},
    [REMOTE_RCPT] = {"RCPT", 300},
    [REMOTE_DATA] = {"DATA", 120},
    [REMOTE_CHUNK] = {"BDAT", 600},
    [REMOTE_MESSAGE] = {"message", 180},
    [REMOTE_END] = {"end of message", 600},
    [REMOTE_END_TOO] = {"end of message", 600},
    [REMOTE_RSET] = {"RSET", 5},
    [REMOTE_QUIT] = {"QUIT", 3},
};

/* What a bare code means in RFC 3463's words. RFC 5321 4.2.3 and 3.6.2, RFC 7504, RFC 4954. */
static struct {
    unsigned int code;
    enum remote_stage stage; /* REMOTE_QUIT: any */
    char const *enhanced;
} const meanings[] = {
    {421, REMOTE_QUIT, "4.3.2"},  {450, REMOTE_RCPT, "4.2.0"}, {452, REMOTE_RCPT, "4.5.3"},
    {452, REMOTE_QUIT, "4.3.1"},  {454, REMOTE_QUIT, "4.7.0"}, {455, REMOTE_QUIT, "4.5.4"},
    {500, REMOTE_QUIT, "5.5.2"},  {501, REMOTE_RCPT, "5.1.3"}, {501, REMOTE_MAIL, "5.1.7"},
    {501, REMOTE_QUIT, "5.5.4"},  {502, REMOTE_QUIT, "5.5.1"}, {503, REMOTE_QUIT, "5.5.1"},
    {504, REMOTE_QUIT, "5.5.4"},  {521, REMOTE_QUIT, "5.3.2"}, {530, REMOTE_QUIT, "5.7.0"},
    {550, REMOTE_RCPT, "5.1.1"},  {551, REMOTE_RCPT, "5.1.6"}, {552, REMOTE_RCPT, "5.2.2"},
    {552, REMOTE_QUIT, "5.3.4"},  {553, REMOTE_RCPT, "5.1.3"}, {553, REMOTE_MAIL, "5.1.7"},
    {556, REMOTE_QUIT, "5.1.10"},
};

void remote_talk_start(struct remote_talk *talk, struct remote_session const *session)
{
    talk->session = session;
    remote_extensions_clear(&talk->extensions);
    remote_reply_start(&talk->reply);
    talk->replies = 0;
    talk->is_put_off = false;
    failure_clear(&talk->lost);
    remote_stream_start(&talk->stream, session->descriptor, session->descriptor);
}

bool remote_talk_is_ok(struct remote_talk const *talk)
{
    return talk->reply.code / 100 == 2;
}

bool remote_talk_is_refusal(struct remote_talk const *talk)
{
    return talk->reply.code >= 400;
}

bool remote_talk_say(struct remote_talk *talk, char const *line, size_t length)
{
    char *const room = remote_stream_room(&talk->stream, length + 2);
    if (!room)
        return false;
    memcpy(room, line, length);
    memcpy(room + length, "\r\n", 2);
    remote_stream_add(&talk->stream, length + 2);
    return true;
}

unsigned int remote_talk_seconds(struct remote_talk const *talk, enum remote_stage stage)
{
    unsigned int const seconds = stages[stage].seconds, most = talk->session->timeout_seconds;
    return seconds < most ? seconds : most;
}

void remote_talk_deadline(struct remote_talk const *talk, enum remote_stage stage, tain *deadline)
{
    tain_addsec_g(deadline, (int)remote_talk_seconds(talk, stage));
    if (tain_less(&talk->session->deadline, deadline))
        *deadline = talk->session->deadline;
}

void remote_talk_lose(struct remote_talk *talk, enum remote_stage stage, char const *code,
                      char const *what)
{
    struct failure *const lost = &talk->lost;
    lost->result = JOB_DEFERRED;
    snprintf(lost->text, sizeof lost->text, "%s %.100s %.270s (%s)", code, talk->session->peer,
             what, stages[stage].name);
}

/* A server that breaks off before it has answered to MAIL does so for whatever mail there is. */
static void is_unreachable(struct remote_talk *talk, enum remote_stage stage)
{
    if (stage <= REMOTE_MAIL)
        talk->lost.result = JOB_UNREACHABLE;
}

/* The stream has come to an end. */
static void lose_stream(struct remote_talk *talk, enum remote_stage stage,
                        enum remote_stream_result result)
{
    char what[300];
    if (result == REMOTE_STREAM_ENDED)
        snprintf(what, sizeof what, "closed the connection");
    else if (result == REMOTE_STREAM_BROKEN)
        snprintf(what, sizeof what, "is lost: %s", strerror(talk->stream.error));
    else if (!tain_future(&talk->session->deadline))
        snprintf(what, sizeof what, "is too slow: the time for all of the session is over");
    else
        snprintf(what, sizeof what, "%s in time",
                 stage == REMOTE_MESSAGE ? "does not take the message" : "does not answer");
    remote_talk_lose(talk, stage, "4.4.2", what);
    is_unreachable(talk, stage);
}

/* What the server said is no answer. */
static void lose_sense(struct remote_talk *talk, enum remote_stage stage, char const *what,
                       char const *said)
{
    char text[300];
    snprintf(text, sizeof text, "%s: %s", what, said);
    remote_talk_lose(talk, stage, "4.5.0", text);
    is_unreachable(talk, stage);
}

void remote_talk_is_confused(struct remote_talk *talk, enum remote_stage stage)
{
    lose_sense(talk, stage, "gives an answer that makes no sense here", talk->reply.line);
}

/* Takes octets that are there. */
static enum remote_reply_state take_input(struct remote_talk *talk, enum remote_stage stage)
{
    struct remote_stream *const stream = &talk->stream;
    while (remote_stream_has_input(stream)) {
        size_t used;
        enum remote_reply_state const state = remote_reply_take(
            &talk->reply, stream->in + stream->in_first, stream->in_end - stream->in_first, &used);
        stream->in_first += used;
        if ((stage == REMOTE_EHLO || stage == REMOTE_LHLO) && talk->reply.lines > 1 &&
            (state == REMOTE_REPLY_LINE || state == REMOTE_REPLY_DONE))
            remote_extensions_add(&talk->extensions, remote_reply_line_text(&talk->reply));
        if (state == REMOTE_REPLY_DONE || state == REMOTE_REPLY_BAD)
            return state;
    }
    return REMOTE_REPLY_MORE;
}

/* A whole reply is there. */
static bool reply_is_in_order(struct remote_talk *talk, enum remote_stage stage)
{
    bool const is_end = stage == REMOTE_END || stage == REMOTE_END_TOO;
    talk->is_put_off |= stage >= REMOTE_MAIL && talk->reply.code / 100 == 4;
    if (talk->reply.code == 421 && !is_end) { /* may come at any time: RFC 5321 3.8 */
        remote_talk_failure(talk, stage, stage < REMOTE_MAIL ? JOB_UNREACHABLE : JOB_DEFERRED,
                            &talk->lost);
        return false;
    }
    if (stage == REMOTE_GREETING || stage == REMOTE_MESSAGE || stage == REMOTE_END_TOO)
        return true;
    if (talk->replies == talk->stream.lines) {
        lose_sense(talk, stage, "answers before it was asked", talk->reply.line);
        return false;
    }
    talk->replies++;
    return true;
}

bool remote_talk_hear(struct remote_talk *talk, enum remote_stage stage)
{
    tain deadline;
    remote_talk_deadline(talk, stage, &deadline);
    remote_reply_start(&talk->reply);
    for (;;) {
        enum remote_reply_state const state = take_input(talk, stage);
        if (state == REMOTE_REPLY_DONE)
            return reply_is_in_order(talk, stage);
        if (state == REMOTE_REPLY_BAD) {
            lose_sense(talk, stage, "sends what is no answer", talk->reply.line);
            return false;
        }
        enum remote_stream_result const result = remote_stream_turn(&talk->stream, &deadline);
        if (result != REMOTE_STREAM_READY) {
            lose_stream(talk, stage, result);
            return false;
        }
    }
}

bool remote_talk_is_quiet(struct remote_talk *talk, enum remote_stage stage)
{
    enum remote_stream_result const result = remote_stream_turn(&talk->stream, &STAMP);
    if (result == REMOTE_STREAM_TIMEOUT)
        return true;
    if (remote_stream_has_input(&talk->stream)) {
        if (remote_talk_hear(talk, stage))
            lose_sense(talk, stage, "answers before it was asked", talk->reply.line);
    } else {
        lose_stream(talk, stage, result);
    }
    return false;
}

enum remote_sending remote_talk_send(struct remote_talk *talk)
{
    struct remote_stream *const stream = &talk->stream;
    enum remote_stream_result result = REMOTE_STREAM_READY;
    tain deadline;
    remote_talk_deadline(talk, REMOTE_MESSAGE, &deadline);
    while (remote_stream_writing(stream) && !stream->deaf && result == REMOTE_STREAM_READY &&
           !remote_stream_has_input(stream))
        result = remote_stream_turn(stream, &deadline);
    if (!remote_stream_writing(stream))
        return REMOTE_SENT;
    if (result == REMOTE_STREAM_READY)
        return REMOTE_INTERRUPTED;
    lose_stream(talk, REMOTE_MESSAGE, result);
    return REMOTE_UNSENT;
}

void remote_talk_is_early(struct remote_talk *talk, enum remote_stage stage)
{
    lose_sense(talk, stage, "answers before it has the message", talk->reply.line);
}

bool remote_talk_flush(struct remote_talk *talk, bool *refused)
{
    enum remote_sending const sending = remote_talk_send(talk);
    *refused = false;
    if (sending != REMOTE_INTERRUPTED)
        return sending == REMOTE_SENT;
    talk->stream.deaf = true; /* while we listen to it the final dot must not slip out */
    if (remote_talk_hear(talk, REMOTE_MESSAGE)) {
        *refused = talk->reply.code >= 400;
        if (!*refused)
            remote_talk_is_early(talk, REMOTE_MESSAGE);
    }
    return false;
}

/* The enhanced code that a bare CODE stands for. */
static char const *meaning(unsigned int code, enum remote_stage stage)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].code == code &&
            (meanings[i].stage == stage || meanings[i].stage == REMOTE_QUIT))
            return meanings[i].enhanced;
    return code < 300 ? "2.0.0" : code < 500 ? "4.0.0" : "5.0.0";
}

void remote_talk_failure(struct remote_talk const *talk, enum remote_stage stage,
                         enum job_result result, struct failure *failure)
{
    static char const need[] = "; it asks for AUTH or TLS: see smtproutes, tlspolicy";
    struct remote_reply const *const reply = &talk->reply;
    /* 552 to RCPT, when it is taken for temporary, is the old form of 452: 4.5.3.1.10 */
    unsigned int const code = result == JOB_DEFERRED && reply->code == 552 ? 452 : reply->code;
    char const *const enhanced = reply->enhanced[0] ? reply->enhanced : meaning(code, stage);
    char const class = (char)(result == JOB_DELIVERED ? '2' : result == JOB_FAILED ? '5' : '4');
    int const head = snprintf(failure->text, sizeof failure->text, "%c%s %.100s said: %u ", class,
                              enhanced + 1, talk->session->peer, reply->code);
    size_t const room = sizeof failure->text - (size_t)head;
    char const *const hint = reply->code == 530 ? need : "";
    size_t const tail = strlen(stages[stage].name) + strlen(hint) + sizeof " ()";
    snprintf(failure->text + head, room, "%.*s%s(%s%s)", (int)(room - tail), reply->text,
             reply->text_length ? " " : "", stages[stage].name, hint);
    failure->result = result;
}
