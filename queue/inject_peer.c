#include "queue/inject_peer.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>

#define MESSAGES_DEFAULT   10000
#define RECIPIENTS_DEFAULT 100000
#define PER_HOUR_MAX       1000000000

enum control_result inject_settings_load(struct inject_settings *settings,
                                         struct control const *control, struct control_error *error)
{
    struct inject_settings loaded = {.databytes = CONTROL_DATABYTES,
                                     .messages = MESSAGES_DEFAULT,
                                     .recipients = RECIPIENTS_DEFAULT};
    struct {
        char const *name;
        uint64_t *value, maximum;
    } const numbers[] = {{"databytes", &loaded.databytes, INT64_MAX},
                         {"injectmessages", &loaded.messages, PER_HOUR_MAX},
                         {"injectrecipients", &loaded.recipients, PER_HOUR_MAX}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (control_number(control, numbers[i].name, numbers[i].value, 0, numbers[i].maximum,
                           error) == CONTROL_ERROR)
            return CONTROL_ERROR;
    if (queue_limits_load(&loaded.room, control, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    *settings = loaded;
    return CONTROL_OK;
}

bool inject_peer_uid(int socket, uid_t *uid)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return false;
    *uid = peer.uid;
    return true;
}

bool inject_peer_deadlines(int socket)
{
    struct timeval const idle = {.tv_sec = INJECT_IDLE_SECONDS};
    return setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle) == 0 &&
           setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle) == 0;
}
