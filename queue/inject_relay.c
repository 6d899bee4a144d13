#include "queue/inject_relay.h"

#include <errno.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/spool.h"
#include "queue/envelope.h"
#include "queue/inject_client.h"

#define PIECE 4096

enum { MESSAGE = 0, ENVELOPE = 1 };

static ssize_t read_piece(int descriptor, char *piece)
{
    ssize_t count;
    do
        count = read(descriptor, piece, PIECE);
    while (count < 0 && errno == EINTR);
    return count;
}

static bool has_8bit(char const *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)bytes[i] >= 0x80)
            return true;
    return false;
}

static enum queue_status read_message(struct spool *spool, bool *body_8bit)
{
    char piece[PIECE];
    ssize_t count;
    while ((count = read_piece(MESSAGE, piece)) > 0) {
        *body_8bit |= has_8bit(piece, (size_t)count);
        if (!spool_add(spool, piece, (size_t)count))
            return QUEUE_WRITE;
    }
    if (count < 0)
        return QUEUE_READ;
    return spool_rewind(spool) ? QUEUE_OK : QUEUE_WRITE;
}

/* The envelope is looked at only to find its end; the injector judges it. */
static enum queue_status send_envelope(struct inject_client *client)
{
    struct envelope_parser parser;
    enum envelope_result result = ENVELOPE_MORE;
    char piece[PIECE];
    envelope_start(&parser, false);
    while (result == ENVELOPE_MORE) {
        size_t used;
        ssize_t const count = read_piece(ENVELOPE, piece);
        if (count <= 0)
            return count < 0 ? QUEUE_READ : QUEUE_ENVELOPE;
        result = envelope_parse(&parser, piece, (size_t)count, &used);
        if (result == ENVELOPE_COMPLETE && used < (size_t)count)
            return QUEUE_ENVELOPE;
        inject_client_stream(client, piece, used);
    }
    if (result == ENVELOPE_COMPLETE)
        return QUEUE_OK;
    return result == ENVELOPE_TOO_LONG ? QUEUE_ADDRESS_TOO_LONG : QUEUE_ENVELOPE;
}

static enum queue_status send_message(struct inject_client *client, struct spool *spool)
{
    char const *bytes;
    ssize_t length;
    while ((length = spool_read(spool, &bytes)) > 0)
        inject_client_stream(client, bytes, (size_t)length);
    return length < 0 ? QUEUE_READ : QUEUE_OK;
}

enum queue_status inject_relay(void)
{
    static struct inject_client client;
    static struct spool spool;
    char const *const path = inject_client_path(NULL);
    bool body_8bit = false;
    spool_start(&spool);
    enum queue_status status = read_message(&spool, &body_8bit);
    if (status != QUEUE_OK)
        return status;
    if (!inject_client_open(&client, path, INJECT_CLIENT_MILLISECONDS)) {
        log_failure("queue-not-reached", path, errno);
        return client.status;
    }
    inject_client_open_message(&client, body_8bit, false);
    status = send_envelope(&client);
    if (status == QUEUE_OK)
        status = send_message(&client, &spool);
    if (status == QUEUE_OK)
        status = inject_client_commit(&client);
    inject_client_close(&client); /* without a commit the message is discarded */
    return status;
}
