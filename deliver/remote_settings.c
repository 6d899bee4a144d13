#include "deliver/remote_settings.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/control_host.h"
#include "lib/tlspolicy.h"

#define TIMEOUT_MAX 86400 /* seconds */

static bool add_outgoing(void *context, char const *line, size_t length, unsigned int number,
                         struct control_error *error)
{
    static char const expected[] = "an IPv4 or an IPv6 address of this host, at most one of each";
    struct remote_settings *const settings = context;
    char text[INET6_ADDRSTRLEN], bytes[16];
    (void)number;
    if (length >= sizeof text)
        return control_fail(error, expected, line, length);
    memcpy(text, line, length);
    text[length] = 0;
    if (!settings->has_outgoing4 && inet_pton(AF_INET, text, bytes) == 1) {
        settings->has_outgoing4 = true;
        ip46_from_ip4(&settings->outgoing4, bytes);
        return true;
    }
    if (!settings->has_outgoing6 && inet_pton(AF_INET6, text, bytes) == 1) {
        settings->has_outgoing6 = true;
        ip46_from_ip6(&settings->outgoing6, bytes);
        return true;
    }
    return control_fail(error, expected, line, length);
}

static enum control_result load_helo(struct remote_settings *settings,
                                     struct control const *control, struct control_error *error)
{
    char *me;
    if (control_me(&me, control, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    enum control_result const result =
        control_host(&settings->helo, control, "helohost", me, error);
    free(me);
    return result;
}

static enum control_result load_all(struct remote_settings *settings, struct control const *control,
                                    struct control_error *error)
{
    if (load_helo(settings, control, error) == CONTROL_ERROR ||
        control_lines(control, "outgoingip", add_outgoing, settings, error) == CONTROL_ERROR ||
        control_number(control, "timeoutconnect", &settings->timeoutconnect, 1, TIMEOUT_MAX,
                       error) == CONTROL_ERROR ||
        control_number(control, "timeoutremote", &settings->timeoutremote, 1, TIMEOUT_MAX, error) ==
            CONTROL_ERROR ||
        reuselimit_load(&settings->reuselimit, control, error) == CONTROL_ERROR ||
        dns_servers_load(&settings->nameservers, control, NULL, error) == CONTROL_ERROR ||
        networks_load(&settings->moreipme, control, "moreipme", 0, 0, error) == CONTROL_ERROR ||
        networks_load(&settings->notipme, control, "notipme", 0, 0, error) == CONTROL_ERROR ||
        tlspolicy_load(&settings->tlspolicy, control, error) == CONTROL_ERROR ||
        remote_credentials_load(&settings->credentials, control, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    return CONTROL_OK;
}

enum control_result remote_settings_load(struct remote_settings *settings,
                                         struct control const *control, struct control_error *error)
{
    struct remote_settings loaded = {
        .timeoutconnect = 60, .timeoutremote = 1200, .tlspolicy = TABLE_ZERO};
    if (load_all(&loaded, control, error) == CONTROL_ERROR) {
        remote_settings_free(&loaded);
        return CONTROL_ERROR;
    }
    *settings = loaded;
    return CONTROL_OK;
}

void remote_settings_free(struct remote_settings *settings)
{
    free(settings->helo);
    settings->helo = NULL;
    networks_free(&settings->moreipme);
    networks_free(&settings->notipme);
    table_free(&settings->tlspolicy);
    remote_credentials_free(&settings->credentials);
}
