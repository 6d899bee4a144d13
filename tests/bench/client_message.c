#include "tests/bench/client_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "From: <sender@elsewhere.example>\r\nSubject: bench\r\n\r\n"
#define LINE 80
#define BLOCK                                                                                      \
    (3200 * LINE) /* a quarter of a MiB: no system call is felt, and it stays in the cache */
#define SIZE_MIN 100

static bool make_envelope(struct message *message, char const *to, unsigned long recipients)
{
    char const *const domain = strrchr(to, '@');
    if (!domain)
        return false;
    size_t const each = strlen(to) + 40, all = recipients * each + 100;
    char *const text = malloc(all);
    if (!text)
        return false;
    size_t length = (size_t)sprintf(text, "MAIL FROM:<sender@elsewhere.example>\r\n");
    if (recipients == 1)
        length += (size_t)snprintf(text + length, all - length, "RCPT TO:<%s>\r\n", to);
    else
        for (unsigned long i = 0; i < recipients; i++)
            length += (size_t)snprintf(text + length, all - length, "RCPT TO:<%.*s%lu%s>\r\n",
                                       (int)(domain - to), to, i, domain);
    length += (size_t)snprintf(text + length, all - length, "DATA\r\n");
    message->envelope = text;
    message->envelope_length = length;
    message->recipients = recipients;
    return true;
}

/* What is no whole line makes the last line longer. */
static void make_end(struct message *message, uint64_t length)
{
    memset(message->end, 'e', length - 2);
    memcpy(message->end + length - 2, "\r\n.\r\n", 5);
    message->end_length = (size_t)length + 3;
}

bool message_make(struct message *message, uint64_t size, char const *to, unsigned long recipients)
{
    uint64_t const body = size - strlen(HEAD);
    char *const block = malloc(BLOCK);
    if (size < SIZE_MIN || !block || !make_envelope(message, to, recipients))
        return false;
    memset(block, 'm', BLOCK);
    for (size_t place = 0; place < BLOCK; place += LINE)
        memcpy(block + place + LINE - 2, "\r\n", 2);
    uint64_t const lines = body < (uint64_t)2 * LINE ? 0 : body / LINE - 1;
    message->block = block;
    message->blocks = lines * LINE / BLOCK;
    message->rest = lines * LINE % BLOCK;
    make_end(message, body - lines * LINE);
    return true;
}

static bool send_envelope(struct message const *message, struct connection *connection)
{
    if (!connection_send(connection, message->envelope, message->envelope_length))
        return false;
    for (unsigned long i = 0; i < message->recipients + 1; i++)
        if (!connection_expect(connection, 250))
            return false;
    return connection_expect(connection, 354);
}

/* Small messages leave in one piece. */
static bool send_small(struct message const *message, struct connection *connection)
{
    static size_t const head = sizeof HEAD - 1;
    size_t const rest = (size_t)message->rest, length = head + rest + message->end_length;
    char *const text = malloc(length);
    if (!text)
        return false;
    memcpy(text, HEAD, head);
    memcpy(text + head, message->block, rest);
    memcpy(text + head + rest, message->end, message->end_length);
    bool const result = connection_send(connection, text, length);
    free(text);
    return result;
}

bool message_send(struct message const *message, struct connection *connection)
{
    if (!send_envelope(message, connection))
        return false;
    if (message->blocks == 0)
        return send_small(message, connection) && connection_expect(connection, 250);
    if (!connection_send(connection, HEAD, strlen(HEAD)))
        return false;
    for (uint64_t i = 0; i < message->blocks; i++)
        if (!connection_send(connection, message->block, BLOCK))
            return false;
    return connection_send(connection, message->block, (size_t)message->rest) &&
           connection_send(connection, message->end, message->end_length) &&
           connection_expect(connection, 250);
}
