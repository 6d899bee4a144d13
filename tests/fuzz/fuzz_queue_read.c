/* A queue file with any content: read without harm, and what reads well is within its bounds. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "queue/queue_form.h"

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size);

static void check(int file)
{
    struct queue_message message;
    if (queue_file_read(file, &message) != QUEUE_READ_OK)
        return;
    for (uint32_t i = 0; i < message.recipient_count; i++) {
        struct queue_recipient const *const recipient = message.recipients + i;
        char const *const orcpt = queue_recipient_orcpt(recipient);
        assert(recipient->mark_offset < message.message_offset);
        assert(recipient->length == strlen(recipient->address));
        assert(!orcpt || dsn_is_orcpt(orcpt, strlen(orcpt)));
        assert(*dsn_notify_letters(recipient->notify) || !recipient->notify);
    }
    assert(!message.envid || dsn_is_envid(message.envid, strlen(message.envid)));
    queue_message_free(&message);
}

/* The data as it is, and again as a head under a valid end record, which no fuzzer guesses. */
int LLVMFuzzerTestOneInput(uint8_t const *data, size_t size)
{
    char end[QUEUE_END_SIZE];
    struct checksum sum;
    int const file = memfd_create("queue", MFD_CLOEXEC);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        return 0;
    check(file);
    checksum_start(&sum);
    checksum_add(&sum, data, size);
    queue_form_end(end, size, 0, checksum_end(&sum), 0);
    if (write(file, end, sizeof end) == (ssize_t)sizeof end)
        check(file);
    close(file);
    return 0;
}
