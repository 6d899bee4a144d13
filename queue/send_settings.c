#include "queue/send_settings.h"

#include <stddef.h>

#include "lib/smtproutes.h"
#include "queue/queue_lifetime.h"
#include "queue/send_active.h"
#include "queue/send_jobs.h"
#include "queue/send_limits.h"

#define WARNING_DEFAULT 14400
/* Messages of which nothing is on its way, when both kinds of places are taken. So the one kind
 * being full does not keep mail for the other from being looked at. */
#define MESSAGES_DEFAULT_MORE 60
#define LOCAL_DEFAULT         100
/* Half of it, 20, is what one destination may have, and what Postfix gives one: receivers are used
 * to that. The other half is qmail's default for all: so much is left whatever one destination
 * does. */
#define REMOTE_DEFAULT 40

enum control_result send_settings_load(struct send_settings *settings,
                                       struct control const *control, struct control_error *error)
{
    struct send_settings loaded = {.lifetime = QUEUE_LIFETIME_DEFAULT,
                                   .delay_warning = WARNING_DEFAULT,
                                   .local = LOCAL_DEFAULT,
                                   .remote = REMOTE_DEFAULT,
                                   .loaded = true};
    struct {
        char const *name;
        uint64_t *value, minimum, maximum;
    } const numbers[] = {{"queuelifetime", &loaded.lifetime, 0, QUEUE_LIFETIME_MAX},
                         {"delaywarning", &loaded.delay_warning, 0, QUEUE_LIFETIME_MAX},
                         {"concurrencyqueue", &loaded.messages, 1, SEND_ACTIVE_MAX},
                         {"concurrencylocal", &loaded.local, 1, SEND_JOBS_LOCAL_MAX},
                         {"concurrencyremote", &loaded.remote, 1, SEND_TRANSACTIONS_MAX}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (control_number(control, numbers[i].name, numbers[i].value, numbers[i].minimum,
                           numbers[i].maximum, error) == CONTROL_ERROR)
            return CONTROL_ERROR;
    if (!loaded.messages)
        loaded.messages = loaded.local + loaded.remote + MESSAGES_DEFAULT_MORE;
    if (queue_limits_load(&loaded.room, control, error) == CONTROL_ERROR ||
        paused_load(loaded.paused, control, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    if (smtproutes_load(&loaded.routes, control, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    if (send_limits_load(&loaded.limits, control, error) == CONTROL_ERROR) {
        table_free(&loaded.routes);
        return CONTROL_ERROR;
    }
    if (routing_load(&loaded.routing, control, error) == CONTROL_ERROR) {
        table_free(&loaded.routes);
        table_free(&loaded.limits);
        return CONTROL_ERROR;
    }
    if (srs_settings_load(&loaded.srs, control, loaded.routing.me, error) == CONTROL_ERROR) {
        table_free(&loaded.routes);
        table_free(&loaded.limits);
        routing_free(&loaded.routing);
        return CONTROL_ERROR;
    }
    if (batv_settings_load(&loaded.batv, control, error) == CONTROL_ERROR) {
        table_free(&loaded.routes);
        table_free(&loaded.limits);
        routing_free(&loaded.routing);
        srs_settings_free(&loaded.srs);
        return CONTROL_ERROR;
    }
    send_settings_free(settings);
    *settings = loaded;
    return CONTROL_OK;
}

void send_settings_free(struct send_settings *settings)
{
    if (settings->loaded) {
        routing_free(&settings->routing);
        table_free(&settings->routes);
        srs_settings_free(&settings->srs);
        batv_settings_free(&settings->batv);
        table_free(&settings->limits);
    }
    settings->loaded = false;
}
