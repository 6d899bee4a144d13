#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "queue/queue_form.h"

static bool read_at(int descriptor, char *bytes, size_t length, uint64_t offset)
{
    size_t got = 0;
    while (got < length) {
        ssize_t const count = pread(descriptor, bytes + got, length - got, (off_t)(offset + got));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            if (count == 0)
                errno = ENODATA;
            return false;
        }
        got += (size_t)count;
    }
    return true;
}

static bool read_flag(char const *head, size_t length, size_t *at, char letter)
{
    bool const found = *at + 1 < length && head[*at] == letter && !head[*at + 1];
    *at += found ? 2 : 0;
    return found;
}

/* Walks over the head's records up to the sender: form, arrival, flags. Returns the offset of the
 * envelope, 0 when the head is not of the form. */
static size_t read_opening(struct queue_message *message, size_t length)
{
    char const *const head = message->head;
    if (length <= sizeof QUEUE_MAGIC || memcmp(head, QUEUE_MAGIC, sizeof QUEUE_MAGIC) ||
        head[length - 1])
        return 0;
    size_t at = sizeof QUEUE_MAGIC;
    if (head[at] != '@')
        return 0;
    size_t const digits = uint64_scan(head + at + 1, &message->arrival);
    if (!digits || head[at + 1 + digits])
        return 0;
    at += 1 + digits + 1;
    message->body_8bit = read_flag(head, length, &at, 'B');
    message->smtputf8 = read_flag(head, length, &at, 'U');
    message->forwarded = read_flag(head, length, &at, 'S');
    return at;
}

char const *queue_recipient_orcpt(struct queue_recipient const *recipient)
{
    return recipient->orcpt ? recipient->address + recipient->orcpt : NULL;
}

bool queue_recipient_wants(struct queue_recipient const *recipient, enum dsn_notify what)
{
    unsigned int const notify = recipient->notify;
    return (notify ? notify : (unsigned int)(DSN_FAILURE | DSN_DELAY)) & what;
}

/* The record at *at is LETTER's: its content, *at then behind it. NULL: it is another one. */
static char const *read_record(struct queue_message const *message, size_t *at,
                               enum envelope_letter letter)
{
    char const *const record = message->head + *at;
    if (*record != (char)letter)
        return NULL;
    *at += strlen(record) + 1;
    return record + 1;
}

static size_t read_sender(struct queue_message *message, size_t at)
{
    message->sender = read_record(message, &at, ENVELOPE_SENDER);
    message->sender_length = strlen(message->sender);
    message->envid = read_record(message, &at, ENVELOPE_ENVID);
    char const *const wish = read_record(message, &at, ENVELOPE_RETURN);
    message->return_wish = wish ? (enum dsn_return) * wish : DSN_RETURN_UNSET;
    return at;
}

/* Takes the mark out of the head, so that its checksum is the one of the untouched file. The
 * records of a recipient are so short that what is counted from its address on fits. */
static size_t read_recipient(struct queue_message *message, size_t at,
                             struct queue_recipient *recipient)
{
    char *const record = message->head + at;
    recipient->mark = (unsigned char)*record;
    recipient->is_unwritten = false;
    *record = ENVELOPE_TODO;
    recipient->mark_offset = at;
    recipient->address = record + 1;
    recipient->length = (uint16_t)strlen(recipient->address);
    at += 1u + recipient->length + 1u;
    char const *const notify = read_record(message, &at, ENVELOPE_NOTIFY);
    recipient->notify =
        notify ? (unsigned char)dsn_notify_bits(notify, strlen(notify)) : (unsigned char)0;
    char const *const orcpt = read_record(message, &at, ENVELOPE_ORCPT);
    recipient->orcpt = orcpt ? (uint16_t)(orcpt - recipient->address) : (uint16_t)0;
    return at;
}

static bool read_recipients(struct queue_message *message, size_t at)
{
    at = read_sender(message, at);
    message->recipients = malloc(message->recipient_count * sizeof *message->recipients);
    if (!message->recipients)
        return false;
    for (uint32_t i = 0; i < message->recipient_count; i++)
        at = read_recipient(message, at, message->recipients + i);
    return true;
}

static enum queue_read read_head(struct queue_message *message, size_t length, uint64_t sum)
{
    struct envelope_parser parser;
    size_t used;
    size_t const at = read_opening(message, length);
    if (!at)
        return QUEUE_READ_CORRUPT;
    envelope_start(&parser, true);
    if (envelope_parse(&parser, message->head + at, length - at, &used) != ENVELOPE_COMPLETE ||
        used != length - at)
        return QUEUE_READ_CORRUPT;
    message->recipient_count = parser.recipients;
    if (!read_recipients(message, at))
        return QUEUE_READ_ERROR;
    struct checksum checksum;
    checksum_start(&checksum);
    checksum_add(&checksum, message->head, length);
    return checksum_end(&checksum) == sum ? QUEUE_READ_OK : QUEUE_READ_CORRUPT;
}

static enum queue_read read_end(int descriptor, uint64_t size, struct queue_message *message,
                                uint64_t *head_sum)
{
    char end[QUEUE_END_SIZE] = {0};
    uint64_t head = 0;
    uint64_t const have = size < sizeof end ? size : sizeof end;
    if (!read_at(descriptor, end + (sizeof end - have), (size_t)have, size - have))
        return errno == ENODATA ? QUEUE_READ_INCOMPLETE : QUEUE_READ_ERROR;
    switch (queue_form_parse_end(end, &head, &message->message_length, head_sum,
                                 &message->message_sum)) {
    case QUEUE_END_NONE:
        return QUEUE_READ_INCOMPLETE;
    case QUEUE_END_DAMAGED:
        return QUEUE_READ_CORRUPT;
    case QUEUE_END_VALID:
        break;
    }
    uint64_t const body = size - sizeof end;
    if (head > ENVELOPE_BYTES_MAX || head > body || message->message_length != body - head)
        return QUEUE_READ_CORRUPT;
    message->message_offset = head;
    return QUEUE_READ_OK;
}

enum queue_read queue_file_read(int descriptor, struct queue_message *message)
{
    struct stat status;
    uint64_t head_sum;
    *message = (struct queue_message){.head = NULL};
    /* A locked file has a writer, even when its end record can be read already: what it wrote is
     * not durable yet, and it may still take it back. */
    if (flock(descriptor, LOCK_SH | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? QUEUE_READ_LOCKED : QUEUE_READ_ERROR;
    if (fstat(descriptor, &status) != 0)
        return QUEUE_READ_ERROR;
    if (!S_ISREG(status.st_mode))
        return QUEUE_READ_CORRUPT;
    enum queue_read result = read_end(descriptor, (uint64_t)status.st_size, message, &head_sum);
    if (result != QUEUE_READ_OK)
        return result;
    size_t const length = (size_t)message->message_offset;
    message->head = malloc(length ? length : 1);
    if (!message->head)
        return QUEUE_READ_ERROR;
    result = read_at(descriptor, message->head, length, 0) ? read_head(message, length, head_sum)
             : errno == ENODATA                            ? QUEUE_READ_CORRUPT
                                                           : QUEUE_READ_ERROR;
    if (result != QUEUE_READ_OK) {
        int const saved = errno;
        queue_message_free(message);
        errno = saved;
    }
    return result;
}

void queue_message_free(struct queue_message *message)
{
    free(message->head);
    free(message->recipients);
    *message = (struct queue_message){.head = NULL};
}
