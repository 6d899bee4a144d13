#include "queue/bounce_settings.h"

#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "lib/control_host.h"
#include "queue/queue_lifetime.h"

#define MAX_BYTES_DEFAULT 50000
#define MAX_BYTES_MAX     (1u << 30)

static bool is_local_part(char const *text, size_t length)
{
    char path[ADDRESS_LOCAL_MAX + 2];
    struct address address;
    size_t consumed;
    if (length > ADDRESS_LOCAL_MAX || memchr(text, '"', length))
        return false;
    path[0] = '<';
    memcpy(path + 1, text, length);
    path[1 + length] = '>';
    return address_parse_path(&address, path, length + 2, false, &consumed) == ADDRESS_OK &&
           consumed == length + 2 && address.length == length &&
           address.domain == ADDRESS_DOMAIN_NONE;
}

/* *address is LOCAL@HOST: the entries of two files, each with its default. */
static enum control_result load_address(char **address, struct control const *control,
                                        char const *const names[2], char const *local,
                                        char const *me, struct control_error *error)
{
    stralloc value = STRALLOC_ZERO;
    char *host = NULL;
    enum control_result result = control_first(control, names[0], &value, is_local_part,
                                               "the part of an address before its `@`", error);
    if (result == CONTROL_ABSENT && !stralloc_copys(&value, local))
        result = control_problem(control, names[0], error, "expected enough memory");
    if (result != CONTROL_ERROR)
        result = control_host(&host, control, names[1], me, error);
    if (result != CONTROL_ERROR) {
        result = CONTROL_OK;
        if (stralloc_append(&value, '@') && stralloc_catb(&value, host, strlen(host) + 1))
            *address = strdup(value.s);
        if (!*address)
            result = control_problem(control, names[0], error, "expected enough memory");
    }
    free(host);
    stralloc_free(&value);
    return result;
}

static bool count_entry(void *context, char const *line, size_t length, unsigned int number,
                        struct control_error *error)
{
    (void)line, (void)length, (void)number, (void)error;
    ++*(unsigned int *)context;
    return true;
}

/* Is the file NAME there, without an entry? That is another thing than no file. */
static enum control_result is_emptied(bool *emptied, struct control const *control,
                                      char const *name, struct control_error *error)
{
    unsigned int entries = 0;
    enum control_result const result = control_lines(control, name, count_entry, &entries, error);
    *emptied = result == CONTROL_OK && entries == 0;
    return result;
}

static enum control_result load_all(struct bounce_settings *settings, struct control const *control,
                                    struct control_error *error)
{
    static char const *const from[] = {"bouncefrom", "bouncehost"};
    static char const *const double_to[] = {"doublebounceto", "doublebouncehost"};
    bool off = false;
    if (control_me(&settings->me, control, error) == CONTROL_ERROR ||
        load_address(&settings->from, control, from, "MAILER-DAEMON", settings->me, error) ==
            CONTROL_ERROR ||
        is_emptied(&off, control, double_to[0], error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    if (!off && load_address(&settings->double_to, control, double_to, "postmaster", settings->me,
                             error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    if (control_number(control, "bouncemaxbytes", &settings->max_bytes, 0, MAX_BYTES_MAX, error) ==
        CONTROL_ERROR)
        return CONTROL_ERROR;
    return control_number(control, "queuelifetime", &settings->lifetime, 0, QUEUE_LIFETIME_MAX,
                          error);
}

enum control_result bounce_settings_load(struct bounce_settings *settings,
                                         struct control const *control, struct control_error *error)
{
    struct bounce_settings loaded = {.max_bytes = MAX_BYTES_DEFAULT,
                                     .lifetime = QUEUE_LIFETIME_DEFAULT};
    if (load_all(&loaded, control, error) == CONTROL_ERROR) {
        bounce_settings_free(&loaded);
        return CONTROL_ERROR;
    }
    *settings = loaded;
    return CONTROL_OK;
}

void bounce_settings_free(struct bounce_settings *settings)
{
    free(settings->me);
    free(settings->from);
    free(settings->double_to);
    *settings = (struct bounce_settings){.me = NULL};
}
