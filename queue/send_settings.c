#include "queue/send_settings.h"

#include <stddef.h>

#include "queue/send_active.h"
#include "queue/send_jobs.h"

#define LIFETIME_DEFAULT 604800
#define LIFETIME_MAX     (UINT64_C(10) * 366 * 86400)
#define MESSAGES_DEFAULT 200
#define LOCAL_DEFAULT    100

enum control_result send_settings_load(struct send_settings *settings,
                                       struct control const *control, struct control_error *error)
{
    struct send_settings loaded = {.lifetime = LIFETIME_DEFAULT,
                                   .messages = MESSAGES_DEFAULT,
                                   .local = LOCAL_DEFAULT,
                                   .loaded = true};
    struct {
        char const *name;
        uint64_t *value, minimum, maximum;
    } const numbers[] = {{"queuelifetime", &loaded.lifetime, 0, LIFETIME_MAX},
                         {"concurrencyqueue", &loaded.messages, 1, SEND_ACTIVE_MAX},
                         {"concurrencylocal", &loaded.local, 1, SEND_JOBS_MAX}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (control_number(control, numbers[i].name, numbers[i].value, numbers[i].minimum,
                           numbers[i].maximum, error) == CONTROL_ERROR)
            return CONTROL_ERROR;
    if (routing_load(&loaded.routing, control, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    send_settings_free(settings);
    *settings = loaded;
    return CONTROL_OK;
}

void send_settings_free(struct send_settings *settings)
{
    if (settings->loaded)
        routing_free(&settings->routing);
    settings->loaded = false;
}
