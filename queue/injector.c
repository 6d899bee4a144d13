#include "queue/injection.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/wake.h"

struct injector {
    int socket, folder, wake;
    bool open;                      /* a message was opened and not committed */
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

static bool refuse(void)
{
    log_failure("injection-refused", "the session broke the protocol", 0);
    return false;
}

/* Handles one packet. False ends the session: the partner broke the protocol, or is gone. */
static bool handle(struct injector *injector, size_t length)
{
    struct queue_file *const file = &injector->file;
    unsigned int const bits = (unsigned char)injector->packet[0];
    if (injector->open == !!(bits & INJECTION_OPEN))
        return refuse();
    if (bits & INJECTION_OPEN)
        queue_file_create(file, injector->folder, injector->next, bits & INJECTION_8BIT,
                          bits & INJECTION_UTF8);
    queue_file_put(file, injector->packet + 1, length - 1);
    injector->open = !(bits & (INJECTION_COMMIT | INJECTION_ABORT));
    if (bits & INJECTION_ABORT) {
        queue_file_abort(file);
        return send_next(injector); /* another id: Received of two messages must not share one */
    }
    return bits & INJECTION_COMMIT ? commit(injector) : true;
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
    }
    queue_file_abort(&injector.file);
    return 0;
}
