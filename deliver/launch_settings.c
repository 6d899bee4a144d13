#include "deliver/launch_settings.h"

#include <errno.h>
#include <string.h>

#define DELIVERY_DEFAULT "./Maildir/"
#define DELIVERY_MAX     4096 /* bytes: it is an argument of a program */

/* Puts the lines together again, as in a .qmail file. */
static bool add_line(void *context, char const *line, size_t length, unsigned int number,
                     struct control_error *error)
{
    stralloc *const delivery = context;
    (void)number;
    if (memchr(line, 0, length))
        return control_fail(error, "an instruction as in a .qmail file", line, length);
    if (delivery->len + length + 2 > DELIVERY_MAX)
        return control_fail(error, "at most 4096 bytes of instructions", line, length);
    return (stralloc_catb(delivery, line, length) && stralloc_catb(delivery, "\n", 1)) ||
           control_fail(error, "more memory", line, length);
}

enum control_result launch_settings_load(struct launch_settings *settings,
                                         struct control const *control, struct control_error *error)
{
    struct launch_settings loaded = {.default_delivery = STRALLOC_ZERO,
                                     .program_seconds = LAUNCH_TIMEOUT_DEFAULT};
    enum control_result result =
        control_lines(control, "defaultdelivery", add_line, &loaded.default_delivery, error);
    if (result != CONTROL_ERROR)
        result = control_number(control, "programtimeout", &loaded.program_seconds, 1,
                                LAUNCH_TIMEOUT_MAX, error);
    if (result != CONTROL_ERROR) {
        bool const empty = loaded.default_delivery.len == 0;
        if ((empty && !stralloc_cats(&loaded.default_delivery, DELIVERY_DEFAULT)) ||
            !stralloc_0(&loaded.default_delivery))
            result = control_problem(control, "defaultdelivery", error, strerror(ENOMEM));
    }
    if (result == CONTROL_ERROR) {
        launch_settings_free(&loaded);
        return CONTROL_ERROR;
    }
    launch_settings_free(settings);
    *settings = loaded;
    return CONTROL_OK;
}

void launch_settings_reload(struct launch_settings *settings, struct control const *control,
                            struct control_watch *watch)
{
    struct launch_settings fresh = {.default_delivery = STRALLOC_ZERO};
    struct control_error error;
    enum control_result const result = launch_settings_load(&fresh, control, &error);
    if (!control_watch_is_settled(watch)) {
        launch_settings_free(&fresh);
        return;
    }
    if (result != CONTROL_ERROR) {
        launch_settings_free(settings);
        *settings = fresh;
    }
    control_watch_log(result != CONTROL_ERROR, &error);
}

void launch_settings_free(struct launch_settings *settings)
{
    stralloc_free(&settings->default_delivery);
}
