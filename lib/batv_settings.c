#include "lib/batv_settings.h"

#include <string.h>

#include "lib/address_list.h"

enum control_result batv_settings_load(struct batv_settings *settings,
                                       struct control const *control, struct control_error *error)
{
    struct batv_settings loaded = {.exempt = TABLE_ZERO};
    if (secret_file_load(&loaded.keys, control, "batv",
                         "what our users send to other hosts waits, and what comes back is put off",
                         error) == CONTROL_ERROR ||
        table_load(&loaded.exempt, control, "batvexempt", address_list_parse, error) ==
            CONTROL_ERROR ||
        control_number(control, "batvcheck", &loaded.check, 0, 1, error) == CONTROL_ERROR) {
        batv_settings_free(&loaded);
        return CONTROL_ERROR;
    }
    *settings = loaded;
    return CONTROL_OK;
}

void batv_settings_free(struct batv_settings *settings)
{
    secret_file_free(&settings->keys);
    table_free(&settings->exempt);
}

static bool is_local(struct routing const *routing, char const *address, size_t length)
{
    struct route route;
    routing_find(routing, address, length, &route);
    return route.kind != ROUTE_REMOTE;
}

bool batv_signs(struct batv_settings const *settings, struct routing const *routing,
                char const *address, size_t length)
{
    return secret_file_is_on(&settings->keys) && batv_fits(address, length) &&
           is_local(routing, address, length) &&
           !address_list_has(&settings->exempt, address, length);
}

bool batv_is_ours(struct batv_settings const *settings, struct routing const *routing,
                  char const *address, size_t length)
{
    char const *const at = memrchr(address, '@', length);
    size_t const local = at ? (size_t)(at - address) : 0;
    /* In virtualdomains there may be the address proper alone. */
    size_t const skip = local > BATV_TAG_LENGTH ? BATV_TAG_LENGTH : 0;
    return secret_file_is_on(&settings->keys) && batv_is_tagged(address, local) &&
           is_local(routing, address + skip, length - skip);
}
