#include "smtpd/reply.h"

#include <stdio.h>
#include <string.h>

#define QUOTED_MAX 80

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

void reply_add_bytes(struct reply *reply, char const *bytes, size_t length)
{
    size_t shown = length < QUOTED_MAX ? length : QUOTED_MAX;
    for (size_t i = 0; i < shown; i++)
        append_byte(reply, bytes[i]);
    if (shown < length)
        reply_add(reply, "...");
}

bool reply_is_error(struct reply const *reply)
{
    return reply->number >= 400;
}

void reply_send(struct reply const *reply, struct stream *stream, bool more)
{
    char line[512 + 1];
    int length =
        snprintf(line, sizeof line, "%u%c%s%s%s\r\n", reply->number, more ? '-' : ' ',
                 reply->status ? reply->status : "", reply->status ? " " : "", reply->text);
    if (length > 0 && (size_t)length < sizeof line)
        stream_put(stream, line, (size_t)length);
}

void reply_send_text(struct stream *stream, unsigned int number, char const *status,
                     char const *text, bool more)
{
    struct reply reply;
    reply_make(&reply, number, status, text);
    reply_send(&reply, stream, more);
}
