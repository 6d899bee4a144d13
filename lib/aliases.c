#include "lib/aliases.h"

#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/routing_entry.h"

static char const expected_name[] = "NAME: TARGET, TARGET (NAME may be LOCAL@DOMAIN or @DOMAIN)";
static char const expected_target[] =
    "an address, a local name, :include:FILE or /dev/null as target";

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static void trim(char const **text, size_t *length)
{
    while (*length > 0 && is_blank((*text)[*length - 1]))
        --*length;
    while (*length > 0 && is_blank(**text)) {
        ++*text;
        --*length;
    }
}

static bool begins(char const *text, size_t length, char const *word)
{
    size_t const size = strlen(word);
    return length >= size && !memcmp(text, word, size);
}

static bool append(char const *text, size_t length, char *out, size_t size, size_t *used)
{
    if (length + 1 > size - *used)
        return false;
    if (*used)
        out[(*used)++] = '\n';
    memcpy(out + *used, text, length);
    *used += length;
    return true;
}

/* No path that leads out of the control folder by its own words. */
static bool is_include(char const *text, size_t length)
{
    static char const prefix[] = ALIASES_INCLUDE;
    return length > sizeof prefix - 1 && begins(text, length, prefix) &&
           !memmem(text, length, "..", 2) && address_is_utf8(text, length);
}

bool aliases_target(char const *text, size_t length, char const *name, size_t name_length,
                    char *out, size_t size, size_t *used, struct control_error *error)
{
    static char const too_long[] = "at most 8191 bytes of targets";
    struct address address;
    char path[ADDRESS_PATH_MAX + 2];
    size_t consumed;
    size_t const quote = length > 1 && text[0] == '"';
    if (is_include(text, length) ||
        (length == strlen(ALIASES_NOWHERE) && begins(text, length, ALIASES_NOWHERE)))
        return append(text, length, out, size, used) ||
               control_fail_hint(error, too_long, text, length, "put them into an :include: file");
    if (text[quote] == '|' || text[quote] == '/')
        return control_fail_hint(error, expected_target, text, length,
                                 "programs and files belong into the .qmail file of the account "
                                 "that they run as");
    if (text[0] == '\\' || (name && length == name_length && !strncasecmp(text, name, length)))
        return control_fail_hint(error, expected_target, text, length,
                                 "a name cannot be its own target: give the mailbox another name "
                                 "in `users`, or forward in the account's .qmail");
    if (length + 2 > sizeof path)
        return control_fail(error, expected_target, text, length);
    path[0] = '<';
    memcpy(path + 1, text, length);
    path[length + 1] = '>';
    if (address_parse_path(&address, path, length + 2, true, &consumed) != ADDRESS_OK ||
        consumed != length + 2 || address.length == 0 ||
        (address.domain == ADDRESS_DOMAIN_NONE && memchr(address.bytes, '@', address.length)))
        return control_fail(error, expected_target, text, length);
    return append(address.bytes, address.length, out, size, used) ||
           control_fail_hint(error, too_long, text, length, "put them into an :include: file");
}

static bool is_name(char const *name, size_t length)
{
    char const *const sign = memrchr(name, '@', length);
    size_t const local = sign ? (size_t)(sign - name) : length;
    if (sign && !address_is_domain(sign + 1, length - local - 1, true))
        return false;
    return (sign && local == 0) || routing_entry_is_local_part(name, local);
}

/* Length of the target that TEXT begins with: a comma between quotes does not end it. */
static size_t target_length(char const *text, size_t length)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < length && (quoted || text[i] != ','); i++)
        if (text[i] == '"')
            quoted = !quoted;
        else if (text[i] == '\\' && quoted && i + 1 < length)
            i++;
    return i;
}

bool aliases_entry(char const *line, size_t length, struct table_entry *entry,
                   struct control_error *error)
{
    /* The table copies it before the next entry is parsed. */
    static char targets[ALIASES_TARGETS_MAX];
    size_t used = 0;
    char const *const colon = memchr(line, ':', length);
    if (!colon)
        return control_fail(error, expected_name, line, length);
    char const *name = line, *text = colon + 1;
    size_t name_length = (size_t)(colon - line), left = length - name_length - 1;
    trim(&name, &name_length);
    if (name_length > 2 && name[0] == '"' && name[name_length - 1] == '"') {
        name++;
        name_length -= 2;
    }
    if (!is_name(name, name_length))
        return control_fail(error, expected_name, line, length);
    while (left > 0) {
        size_t const whole = target_length(text, left);
        char const *target = text;
        size_t size = whole;
        trim(&target, &size);
        if (size > 0 &&
            !aliases_target(target, size, name, name_length, targets, sizeof targets, &used, error))
            return false;
        text += whole < left ? whole + 1 : whole;
        left -= whole < left ? whole + 1 : whole;
    }
    if (used == 0)
        return control_fail_hint(error, expected_target, line, length,
                                 "to throw mail away write NAME: /dev/null");
    *entry = (struct table_entry){
        .key = name, .value = targets, .key_length = name_length, .value_length = used};
    return true;
}

char const *aliases_file(struct control const *control, char const *path)
{
    size_t const length = strlen(control->path);
    if (*path != '/')
        return path;
    if (strncmp(path, control->path, length) != 0 || path[length] != '/')
        return NULL;
    return path + length + 1;
}
