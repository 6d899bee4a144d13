#include "lib/srs_settings.h"

#include <stdlib.h>

#include "lib/control_host.h"

enum control_result srs_settings_load(struct srs_settings *settings, struct control const *control,
                                      char const *me, struct control_error *error)
{
    struct srs_settings loaded = {.domain = NULL};
    if (secret_file_load(&loaded.keys, control, "srs",
                         "forwarded mail waits, and what comes back to it is put off",
                         error) == CONTROL_ERROR ||
        control_host(&loaded.domain, control, "srsdomain", me, error) == CONTROL_ERROR) {
        srs_settings_free(&loaded);
        return CONTROL_ERROR;
    }
    *settings = loaded;
    return CONTROL_OK;
}

void srs_settings_free(struct srs_settings *settings)
{
    secret_file_free(&settings->keys);
    free(settings->domain);
    *settings = (struct srs_settings){.domain = NULL};
}
