#include "queue/send_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "queue/send_place.h"

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

/* A link that is not to be followed is either. */
bool send_folder_is_other(int number)
{
    return number == ENOTDIR || number == ELOOP;
}

void send_folder_close(struct send_folder *folder)
{
    if (folder->stream)
        closedir(folder->stream);
    folder->stream = NULL;
}

enum send_folder_result send_folder_entry(struct send_folder *folder, char name[NAME_MAX + 1])
{
    errno = 0;
    struct dirent const *const entry = readdir(folder->stream);
    if (!entry) {
        int const saved = errno;
        send_folder_close(folder);
        errno = saved;
        return saved ? SEND_FOLDER_ERROR : SEND_FOLDER_END;
    }
    size_t const length = strnlen(entry->d_name, NAME_MAX);
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
        return SEND_FOLDER_OTHER;
    memcpy(name, entry->d_name, length);
    name[length] = 0;
    return SEND_FOLDER_FILE;
}

enum send_folder_result send_folder_next(struct send_folder *folder, struct send_odd *odd,
                                         char id[QUEUE_ID_LENGTH + 1])
{
    char name[NAME_MAX + 1];
    enum send_folder_result const result = send_folder_entry(folder, name);
    if (result != SEND_FOLDER_FILE)
        return result;
    if (!queue_file_is_name(name)) {
        send_odd_found(odd, folder->place, name, "not the name of a queue file");
        return SEND_FOLDER_OTHER;
    }
    memcpy(id, name, QUEUE_ID_LENGTH + 1);
    return SEND_FOLDER_FILE;
}
