#include "smtpd/reply.h"

#include <string.h>

#include <skalibs/fmtscan.h>
#include <skalibs/types.h>

#define STATUS_MAX sizeof "5.999.999 "

static void append_byte(struct reply *reply, char byte)
{
    if (reply->length == REPLY_TEXT_MAX)
        return;
    reply->text[reply->length++] = (char)(byte >= 0x20 && byte < 0x7f ? byte : '?');
    reply->text[reply->length] = 0;
}

void reply_make(struct reply *reply, unsigned int number, char const *status, char const *text)
{
    reply->number = number;
    reply->status = status;
    reply->length = 0;
    reply->text[0] = 0;
    reply_add(reply, text);
}

void reply_add(struct reply *reply, char const *text)
{
    while (*text)
        append_byte(reply, *text++);
}

void reply_send(struct reply const *reply, struct stream *stream, bool more)
{
    /* Put together by hand: printf costs a fresh process six page faults (tests/bench). */
    char line[UINT_FMT + 2 + REPLY_TEXT_MAX + STATUS_MAX + 2];
    size_t length = uint_fmt(line, reply->number);
    line[length++] = more ? '-' : ' ';
    if (reply->status) {
        length += str_fmt(line + length, reply->status); /* our own: below STATUS_MAX */
        line[length++] = ' ';
    }
    memcpy(line + length, reply->text, reply->length);
    length += reply->length;
    line[length++] = '\r';
    line[length++] = '\n';
    stream_put(stream, line, length);
}

void reply_send_text(struct stream *stream, unsigned int number, char const *status,
                     char const *text, bool more)
{
    struct reply reply;
    reply_make(&reply, number, status, text);
    reply_send(&reply, stream, more);
}
