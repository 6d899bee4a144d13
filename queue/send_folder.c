#include "queue/send_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "queue/send_place.h"

static uint64_t hash(int place, char const *name)
{
    uint64_t value = UINT64_C(14695981039346656037) ^ (uint64_t)(unsigned int)place; /* FNV-1a */
    for (; *name; name++)
        value = (value ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return value;
}

void send_odd_note(struct send_odd *odd, int place, char const *name, char const *why)
{
    struct log_line line;
    char folder[SEND_PLACE_PATH_MAX];
    uint64_t const value = hash(place, name);
    for (unsigned int i = 0; i < odd->count; i++)
        if (odd->seen[i] == value)
            return;
    if (odd->count == SEND_ODD_MAX)
        return;
    odd->seen[odd->count++] = value;
    send_place_folder(folder, place);
    log_begin(&line, "ignored");
    log_text(&line, "folder", folder);
    log_text(&line, "name", name);
    log_text(&line, "why", why);
    if (odd->count == SEND_ODD_MAX)
        log_text(&line, "note", "further ones are not logged");
    log_write(&line);
}

bool send_folder_open(struct send_folder *folder, int queue, int place)
{
    char path[SEND_PLACE_PATH_MAX];
    send_place_folder(path, place);
    int const descriptor = openat(queue, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    folder->place = place;
    folder->stream = fdopendir(descriptor);
    if (folder->stream)
        return true;
    int const saved = errno;
    close(descriptor);
    errno = saved;
    return false;
}

void send_folder_close(struct send_folder *folder)
{
    if (folder->stream)
        closedir(folder->stream);
    folder->stream = NULL;
}

enum send_folder_result send_folder_next(struct send_folder *folder, struct send_odd *odd,
                                         char id[QUEUE_ID_LENGTH + 1])
{
    errno = 0;
    struct dirent const *const entry = readdir(folder->stream);
    if (!entry) {
        int const saved = errno;
        send_folder_close(folder);
        errno = saved;
        return saved ? SEND_FOLDER_ERROR : SEND_FOLDER_END;
    }
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
        return SEND_FOLDER_OTHER;
    if (!queue_file_is_name(entry->d_name)) {
        send_odd_note(odd, folder->place, entry->d_name, "not the name of a queue file");
        return SEND_FOLDER_OTHER;
    }
    memcpy(id, entry->d_name, QUEUE_ID_LENGTH + 1);
    return SEND_FOLDER_FILE;
}
