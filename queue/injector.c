#include "queue/injection.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/wake.h"

struct injector {
    int socket, folder, wake;
    char next[QUEUE_ID_LENGTH + 1]; /* the id of the next message */
    struct queue_file file;
    char packet[1 + PACKET_DATA_MAX];
};

static bool answer(struct injector *injector, char const *bytes, size_t length)
{
    struct iovec const piece = {.iov_base = (char *)bytes, .iov_len = length};
    return packet_send(injector->socket, &piece, 1, NULL, 0);
}

static bool send_next(struct injector *injector)
{
    char bytes[1 + QUEUE_ID_LENGTH] = {INJECTION_NEXT};
    queue_file_name(injector->next);
    memcpy(bytes + 1, injector->next, QUEUE_ID_LENGTH);
    return answer(injector, bytes, sizeof bytes);
}

static bool commit(struct injector *injector)
{
    char bytes[2 + QUEUE_ID_LENGTH] = {INJECTION_STATUS};
    enum queue_status const status = queue_file_commit(&injector->file);
    if (status == QUEUE_OK)
        wake_scheduler(injector->wake, injector->file.id);
    bytes[1] = (char)status;
    queue_file_name(injector->next);
    memcpy(bytes + 2, injector->next, QUEUE_ID_LENGTH);
    return answer(injector, bytes, sizeof bytes);
}

/* Handles one packet. False ends the session. */
static bool handle(struct injector *injector, size_t length)
{
    char const *const bytes = injector->packet + 1;
    struct queue_file *const file = &injector->file;
    bool const open = file->descriptor >= 0 || file->status != QUEUE_OK;
    switch (injector->packet[0]) {
    case INJECTION_OPEN:
        if (open || length != 2)
            return false;
        queue_file_create(file, injector->folder, injector->next, bytes[0] & INJECTION_8BIT,
                          bytes[0] & INJECTION_UTF8);
        return true;
    case INJECTION_ENVELOPE:
        queue_file_envelope(file, bytes, length - 1);
        return open;
    case INJECTION_MESSAGE:
        queue_file_message(file, bytes, length - 1);
        return open;
    case INJECTION_COMMIT: {
        bool const answered = open && commit(injector);
        file->status = QUEUE_OK;
        return answered;
    }
    case INJECTION_ABORT:
        /* The id was not used up for good, but Received of another message must not carry it. */
        queue_file_abort(file);
        file->status = QUEUE_OK;
        return send_next(injector);
    default:
        return false;
    }
}

int injector_serve(int socket, int folder, int wake)
{
    /* One session a process; static memory is touched only as far as messages need it. */
    static struct injector injector;
    injector.socket = socket;
    injector.folder = folder;
    injector.wake = wake;
    injector.file.descriptor = -1;
    bool going = send_next(&injector);
    while (going) {
        ssize_t const length =
            packet_receive(socket, injector.packet, sizeof injector.packet, NULL, NULL);
        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0)
            break;
        going = handle(&injector, (size_t)length);
        if (!going)
            log_failure("injection-refused", "the session broke the protocol", 0);
    }
    queue_file_abort(&injector.file);
    return 0;
}
