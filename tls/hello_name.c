#include "tls/hello_name.h"

#include <string.h>

#include "tls/engine.h"

#define EXTENSION_SERVER_NAME 0
#define EXTENSION_PROTOCOLS   16
#define NAME_HOST             0

struct reader {
    unsigned char const *bytes;
    size_t left;
};

/* A number of SIZE octets, 1 or 2. */
static bool read_number(struct reader *reader, size_t size, size_t *number)
{
    if (reader->left < size)
        return false;
    *number = size == 1 ? reader->bytes[0] : (size_t)reader->bytes[0] << 8 | reader->bytes[1];
    reader->bytes += size;
    reader->left -= size;
    return true;
}

/* A vector whose length has SIZE octets. */
static bool read_vector(struct reader *reader, size_t size, struct reader *vector)
{
    size_t length;
    if (!read_number(reader, size, &length) || length > reader->left)
        return false;
    *vector = (struct reader){.bytes = reader->bytes, .left = length};
    reader->bytes += length;
    reader->left -= length;
    return true;
}

/* The one name of the extension. */
static bool read_name(struct reader extension, char name[KEY_NAME_MAX + 1])
{
    struct reader list, host;
    size_t type;
    if (!read_vector(&extension, 2, &list) || extension.left || !read_number(&list, 1, &type) ||
        type != NAME_HOST || !read_vector(&list, 2, &host) || list.left)
        return false;
    if (host.left < 1 || host.left > KEY_NAME_MAX || memchr(host.bytes, 0, host.left))
        return false;
    memcpy(name, host.bytes, host.left);
    name[host.left] = 0;
    return true;
}

/* Whether ours is one of the protocols. */
static bool has_protocol(struct reader extension)
{
    size_t const size = sizeof ENGINE_PROTOCOL - 1;
    struct reader list, protocol;
    bool found = false;
    if (!read_vector(&extension, 2, &list) || extension.left)
        return false;
    while (list.left) {
        if (!read_vector(&list, 1, &protocol))
            return false;
        found |= protocol.left == size && !memcmp(protocol.bytes, ENGINE_PROTOCOL, size);
    }
    return found;
}

bool hello_name(unsigned char const *bytes, size_t length, char name[KEY_NAME_MAX + 1])
{
    struct reader hello = {.bytes = bytes, .left = length}, skipped, extensions, extension;
    size_t type;
    name[0] = 0;
    if (!read_vector(&hello, 2, &skipped) || !read_vector(&hello, 1, &skipped))
        return false;
    if (!hello.left)
        return true;
    if (!read_vector(&hello, 2, &extensions) || hello.left)
        return false;
    while (extensions.left) {
        if (!read_number(&extensions, 2, &type) || !read_vector(&extensions, 2, &extension))
            return false;
        if (type == EXTENSION_SERVER_NAME && (name[0] || !read_name(extension, name)))
            return false;
        if (type == EXTENSION_PROTOCOLS && !has_protocol(extension))
            return false;
    }
    return true;
}
