#include "queue/wake.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "queue/queue_file.h"

int wake_open(int queue)
{
    return openat(queue, "wake", O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
}

void wake_scheduler(int wake, char const *id)
{
    char line[QUEUE_ID_LENGTH + 1];
    memcpy(line, id, QUEUE_ID_LENGTH);
    line[QUEUE_ID_LENGTH] = '\n';
    if (wake >= 0 && write(wake, line, sizeof line) < 0)
        return; /* full: see the header */
}
