#include "lib/routing_entry.h"

#include <string.h>

#include "lib/address.h"
#include "lib/routing.h"

#define NAME_MAX_LENGTH 200 /* bytes: PREFIX and a local part, and a folder's name on disk */

static bool contains(char const *text, size_t length, char byte)
{
    return memchr(text, byte, length) != 0;
}

bool routing_entry_is_local_part(char const *local, size_t length)
{
    return length > 0 && local[0] != '.' && !contains(local, length, '/') &&
           !contains(local, length, '@') && address_is_utf8(local, length);
}

/* A name in users, or a prefix: as a local part, and nothing that a shell, an option parser or our
 * own files could take for something else. */
static bool is_name(char const *name, size_t length)
{
    return length <= NAME_MAX_LENGTH && routing_entry_is_local_part(name, length) &&
           name[0] != '-' && !contains(name, length, ':') && !contains(name, length, ' ');
}

/* A relative path in which each component is a plain name. */
static bool is_path(char const *path, size_t length)
{
    if (length == 0 || length >= ROUTING_MAILBOX_MAX || !address_is_utf8(path, length) ||
        contains(path, length, ' ') || contains(path, length, ':'))
        return false;
    char const *component = path, *end = path + length;
    while (component <= end) {
        char const *slash = memchr(component, '/', (size_t)(end - component));
        size_t size = (size_t)((slash ? slash : end) - component);
        if (size == 0 || size > 255 || (size == 1 && component[0] == '.') ||
            (size == 2 && component[0] == '.' && component[1] == '.'))
            return false;
        component += size + 1;
    }
    return true;
}

bool routing_entry_locals(char const *line, size_t length, struct table_entry *entry,
                          struct control_error *error)
{
    if (!address_is_domain(line, length, true))
        return control_fail(error, "a domain", line, length);
    *entry = (struct table_entry){.key = line, .key_length = length};
    return true;
}

/* DOMAIN, .PARENT, LOCAL@DOMAIN, or empty. */
static bool is_virtual_key(char const *key, size_t length)
{
    char const *sign = memrchr(key, '@', length);
    if (length == 0)
        return true;
    if (sign) {
        size_t local_length = (size_t)(sign - key);
        return routing_entry_is_local_part(key, local_length) &&
               address_is_domain(sign + 1, length - local_length - 1, true);
    }
    if (key[0] == '.')
        return address_is_domain(key + 1, length - 1, true);
    return address_is_domain(key, length, true);
}

bool routing_entry_virtualdomains(char const *line, size_t length, struct table_entry *entry,
                                  struct control_error *error)
{
    static char const expected[] =
        "DOMAIN:PREFIX, .PARENT:PREFIX, LOCAL@DOMAIN:PREFIX or :PREFIX (PREFIX may be empty)";
    char const *colon = memchr(line, ':', length);
    if (!colon)
        return control_fail(error, expected, line, length);
    size_t key_length = (size_t)(colon - line);
    size_t prefix_length = length - key_length - 1;
    if (!is_virtual_key(line, key_length) ||
        (prefix_length > 0 && !is_name(colon + 1, prefix_length)))
        return control_fail(error, expected, line, length);
    *entry = (struct table_entry){line, colon + 1, key_length, prefix_length};
    return true;
}

bool routing_entry_users(char const *line, size_t length, struct table_entry *entry,
                         struct control_error *error)
{
    static char const expected[] = "NAME, NAME:PATH, NAME@DOMAIN or NAME@DOMAIN:PATH";
    char const *colon = memchr(line, ':', length);
    size_t key_length = colon ? (size_t)(colon - line) : length;
    char const *sign = memrchr(line, '@', key_length);
    size_t name_length = sign ? (size_t)(sign - line) : key_length;
    if (!is_name(line, name_length))
        return control_fail(error, expected, line, length);
    if (sign && !address_is_domain(sign + 1, key_length - name_length - 1, true))
        return control_fail(error, expected, line, length);
    *entry = (struct table_entry){.key = line, .key_length = key_length};
    if (colon) {
        entry->value = colon + 1;
        entry->value_length = length - key_length - 1;
        if (!is_path(entry->value, entry->value_length))
            return control_fail_hint(error, expected, line, length,
                                     "PATH is a folder below the mail root: relative, without "
                                     "`.`, `..`, empty parts, blanks and colons");
    }
    return true;
}
