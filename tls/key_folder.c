#include "tls/key_folder.h"

#include <stdbool.h>
#include <string.h>

#define LABEL_MAX 63

/* Lower-cases a byte of a label; 0 for one that has no place there. */
static char letter(char byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return (char)(byte - 'A' + 'a');
    bool const fits =
        (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
    return fits ? byte : 0;
}

static bool is_label(char const *label, size_t length)
{
    return length > 0 && length <= LABEL_MAX && !(length == 1 && *label == '_');
}

/* Copies NAME in lower case. False when it is no host name. */
static bool copy_name(char target[KEY_FOLDER_MAX + 1], char const *name, size_t length)
{
    size_t start = 0;
    if (length > KEY_FOLDER_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        target[i] = name[i] == '.' ? '.' : letter(name[i]);
        if (!target[i])
            return false;
        if (name[i] != '.')
            continue;
        if (!is_label(target + start, i - start))
            return false;
        start = i + 1;
    }
    target[length] = 0;
    return is_label(target + start, length - start);
}

void key_folders_find(struct key_folders *folders, char const *name, size_t length)
{
    folders->count = 0;
    if (copy_name(folders->names[0], name, length)) {
        char const *const parent = strchr(folders->names[0], '.');
        folders->count = 1;
        if (parent) {
            folders->names[1][0] = '_'; /* in place of at least one octet: it fits */
            memcpy(folders->names[1] + 1, parent, strlen(parent) + 1);
            folders->count = 2;
        }
    }
    memcpy(folders->names[folders->count++], KEY_FOLDER_DEFAULT, sizeof KEY_FOLDER_DEFAULT);
}
