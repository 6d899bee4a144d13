#include "queue/send_odd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "queue/send_place.h"

/* NFS keeps what was removed while it was open under such a name, and removes it itself. */
#define LEFT_BY_NFS ".nfs"

#define PATH_LENGTH (SEND_PLACE_PATH_MAX + NAME_MAX + 1)

static uint64_t hash(int place, char const *name)
{
    uint64_t value = UINT64_C(14695981039346656037) ^ (uint64_t)(unsigned int)place; /* FNV-1a */
    for (; *name; name++)
        value = (value ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return value;
}

static void begin(struct log_line *line, char const *event, char const *folder, char const *name,
                  char const *why)
{
    log_begin(line, event);
    log_text(line, "folder", folder);
    log_text(line, "name", name);
    log_text(line, "why", why);
}

static void note(struct send_odd *odd, int place, char const *folder, char const *name,
                 char const *why, int number)
{
    struct log_line line;
    uint64_t const value = hash(place, name);
    for (unsigned int i = 0; i < odd->count; i++)
        if (odd->seen[i] == value)
            return;
    if (odd->count == SEND_ODD_MAX)
        return;
    odd->seen[odd->count++] = value;
    begin(&line, "ignored", folder, name, why);
    if (number)
        log_errno(&line, number);
    if (odd->count == SEND_ODD_MAX)
        log_text(&line, "note", "further ones are not logged");
    log_write(&line);
}

/* Under its own name, else under one that nobody has. False: errno. */
static bool set_aside(struct send_odd const *odd, char const *folder, char const *name,
                      char const *why)
{
    struct log_line line;
    char from[PATH_LENGTH], to[PATH_LENGTH], id[QUEUE_ID_LENGTH + 1];
    snprintf(from, sizeof from, "%s/%s", folder, name);
    snprintf(to, sizeof to, "bad/%s", name);
    bool moved = send_place_rename(odd->queue, from, to);
    if (!moved && errno == EEXIST) {
        queue_file_name(id);
        snprintf(to, sizeof to, "bad/odd-%s", id);
        moved = send_place_rename(odd->queue, from, to);
    }
    if (!moved)
        return false;
    begin(&line, "bad", folder, name, why);
    log_text(&line, "now", to);
    log_write(&line);
    return true;
}

void send_odd_found(struct send_odd *odd, int place, char const *name, char const *why)
{
    char folder[SEND_PLACE_PATH_MAX];
    send_place_folder(folder, place);
    if (!strncmp(name, LEFT_BY_NFS, sizeof LEFT_BY_NFS - 1))
        return;
    if (!odd->aside)
        note(odd, place, folder, name, why, 0);
    else if (!set_aside(odd, folder, name, why) && errno != ENOENT)
        note(odd, place, folder, name, why, errno);
}
