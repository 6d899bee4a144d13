#include "queue/send_srs.h"

#include <string.h>
#include <strings.h>

static bool is_ours(struct send_settings const *settings, char const *sender)
{
    struct route route;
    char const *const at = strrchr(sender, '@');
    if (!at || !strcasecmp(at + 1, settings->srs.domain))
        return true;
    routing_find(&settings->routing, sender, strlen(sender), &route);
    return route.kind != ROUTE_REMOTE;
}

char const *send_srs_sender(char out[SRS_SIZE], struct send const *send,
                            struct queue_message const *message, char const *sender)
{
    struct secret_keys const keys = secret_file_keys(&send->settings.srs.keys);
    if (!message->forwarded || !secret_file_is_on(&send->settings.srs.keys) ||
        is_ours(&send->settings, sender))
        return sender;
    return srs_forward(out, &keys, sender, send->settings.srs.domain, (time_t)send_now()) ? out
                                                                                          : sender;
}

bool send_srs_is(struct send const *send, char const *address, size_t length)
{
    struct srs_settings const *const srs = &send->settings.srs;
    char const *const at = memrchr(address, '@', length);
    return secret_file_is_on(&srs->keys) && at && !strcasecmp(at + 1, srs->domain) &&
           address_is_rewritten(address, (size_t)(at - address));
}

enum send_srs send_srs_look(char out[SRS_SIZE], struct send const *send, char const *address,
                            size_t length)
{
    struct srs_settings const *const srs = &send->settings.srs;
    struct secret_keys const keys = secret_file_keys(&srs->keys);
    if (!send_srs_is(send, address, length))
        return SEND_SRS_NONE;
    if (srs->keys.refused)
        return SEND_SRS_UNKNOWN;
    size_t const local = (size_t)((char const *)memrchr(address, '@', length) - address);
    /* A colon begins what is no address among an alias's targets, and anybody may begin his own
     * address with one. */
    return srs_reverse(out, &keys, address, local, (time_t)send_now()) == SRS_OK && *out != ':'
               ? SEND_SRS_ORIGINAL
               : SEND_SRS_INVALID;
}

bool send_srs_waits(struct send const *send, struct queue_message const *message)
{
    return message->forwarded && send->settings.srs.keys.refused &&
           !is_ours(&send->settings, message->sender);
}
