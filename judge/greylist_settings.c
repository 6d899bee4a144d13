#include "judge/greylist_settings.h"

#include <string.h>

#include "lib/duration.h"
#include "lib/fields.h"

#define FILE_NAME  "greylist"
#define NUMBER_MAX 8 /* digits */

enum form { DURATION, NUMBER };

static struct known {
    char const *name;
    enum form form;
    uint64_t preset, minimum, maximum;
    char const *expected;
} const known[GREYLIST_SETTINGS] = {
    [GREYLIST_DELAY] = {"delay", DURATION, 300, 1, 86400,
                        "delay DURATION of 1 to 86400 seconds, as in 300 or 5m"},
    [GREYLIST_WINDOW] = {"window", DURATION, 4 * 3600, 2, 10 * 86400,
                         "window DURATION of 2 seconds to 10d, as in 4h"},
    [GREYLIST_TTL] = {"ttl", DURATION, 36 * 86400, 60, 400 * 86400,
                      "ttl DURATION of 60 seconds to 400d, as in 36d"},
    [GREYLIST_ALLOWANCE] = {"allowance", NUMBER, 5, 0, 1000000,
                            "allowance NUMBER of 0 (never) to 1000000 triplets"},
    [GREYLIST_NETWORK4] = {"network4", NUMBER, 24, 8, 32, "network4 NUMBER of 8 to 32 bits"},
    [GREYLIST_NETWORK6] = {"network6", NUMBER, 64, 16, 128, "network6 NUMBER of 16 to 128 bits"},
    [GREYLIST_SPF] = {"spf", NUMBER, 0, 0, 1, "spf 0 or spf 1"},
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool scan(struct known const *setting, char const *text, size_t length, uint64_t *value)
{
    char number[NUMBER_MAX + 1];
    if (setting->form == DURATION) {
        if (!duration_parse(text, length, value))
            return false;
    } else {
        if (length > NUMBER_MAX)
            return false;
        memcpy(number, text, length);
        number[length] = 0;
        if (!fields_scan_number(number, value))
            return false;
    }
    return *value >= setting->minimum && *value <= setting->maximum;
}

static bool add(void *context, char const *line, size_t length, unsigned int number,
                struct control_error *error)
{
    struct greylist_settings *const settings = context;
    size_t name = 0, value;
    while (name < length && !is_blank(line[name]))
        name++;
    for (value = name; value < length && is_blank(line[value]);)
        value++;
    for (size_t i = 0; i < GREYLIST_SETTINGS; i++) {
        if (strlen(known[i].name) != name || memcmp(known[i].name, line, name) != 0)
            continue;
        if (settings->lines[i])
            return control_fail_hint(error, "each value once", line, length,
                                     "there is a line for it above");
        uint64_t scanned;
        if (!scan(known + i, line + value, length - value, &scanned))
            return control_fail(error, known[i].expected, line, length);
        settings->values[i] = scanned;
        settings->lines[i] = number;
        return true;
    }
    return control_fail(error,
                        "delay, window, ttl, allowance, network4, network6 or spf, and its value",
                        line, length);
}

enum control_result greylist_settings_load(struct greylist_settings *settings,
                                           struct control const *control,
                                           struct control_error *error)
{
    memset(settings, 0, sizeof *settings);
    for (size_t i = 0; i < GREYLIST_SETTINGS; i++)
        settings->values[i] = known[i].preset;
    enum control_result result = control_lines(control, FILE_NAME, add, settings, error);
    uint64_t const *const values = settings->values;
    if (result == CONTROL_OK && values[GREYLIST_WINDOW] <= values[GREYLIST_DELAY])
        result =
            control_problem(control, FILE_NAME, error,
                            "expected a window that is longer than the delay: nobody could pass");
    if (result == CONTROL_OK && values[GREYLIST_TTL] <= values[GREYLIST_WINDOW])
        result = control_problem(control, FILE_NAME, error,
                                 "expected a ttl that is longer than the window");
    for (size_t i = 0; i < GREYLIST_SETTINGS; i++)
        settings->present |= result == CONTROL_OK && settings->lines[i] > 0;
    return result;
}
