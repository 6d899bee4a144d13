#include "lib/paused.h"

#include <string.h>
#include <strings.h>

char const *const paused_words[PAUSED_COUNT] = {
    [PAUSED_LOCAL] = "local", [PAUSED_REMOTE] = "remote", [PAUSED_INTAKE] = "intake"};

bool paused_find(enum paused_what *what, char const *text, size_t length)
{
    for (*what = 0; *what < PAUSED_COUNT; ++*what)
        if (strlen(paused_words[*what]) == length &&
            !strncasecmp(paused_words[*what], text, length))
            return true;
    return false;
}

static bool take_line(void *context, char const *line, size_t length, unsigned int number,
                      struct control_error *error)
{
    bool *const paused = context;
    enum paused_what what;
    (void)number;
    if (!paused_find(&what, line, length))
        return control_fail(error, "local, remote or intake", line, length);
    paused[what] = true;
    return true;
}

enum control_result paused_load(bool paused[PAUSED_COUNT], struct control const *control,
                                struct control_error *error)
{
    bool loaded[PAUSED_COUNT] = {false};
    if (control_lines(control, PAUSED_FILE, take_line, loaded, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    memcpy(paused, loaded, sizeof loaded);
    return CONTROL_OK;
}
