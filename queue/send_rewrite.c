#include "queue/send_rewrite.h"

#include <string.h>
#include <strings.h>

char const send_rewrite_srs_unusable[] = "4.3.5 the keys of forwarded mail (srs) cannot be used";

static bool is_ours(struct send_settings const *settings, char const *sender)
{
    struct route route;
    char const *const at = strrchr(sender, '@');
    if (!at || !strcasecmp(at + 1, settings->srs.domain))
        return true;
    routing_find(&settings->routing, sender, strlen(sender), &route);
    return route.kind != ROUTE_REMOTE;
}

static bool is_foreign(struct send_settings const *settings, struct queue_message const *message,
                       char const *sender)
{
    return message->forwarded && secret_file_is_on(&settings->srs.keys) &&
           !is_ours(settings, sender);
}

static bool signs(struct send_settings const *settings, char const *sender)
{
    return batv_signs(&settings->batv, &settings->routing, sender, strlen(sender));
}

char const *send_rewrite_sender(char out[SEND_REWRITE_SIZE], struct send const *send,
                                struct queue_message const *message, char const *sender,
                                struct smtproute const *route)
{
    struct send_settings const *const settings = &send->settings;
    struct secret_keys const srs = secret_file_keys(&settings->srs.keys);
    struct secret_keys const batv = secret_file_keys(&settings->batv.keys);
    time_t const now = (time_t)send_now();
    if (is_foreign(settings, message, sender))
        return srs_forward(out, &srs, sender, settings->srs.domain, now) ? out : sender;
    if (route->hosts[0].lmtp || batv.size == 0 || !signs(settings, sender))
        return sender;
    batv_sign(out, &batv, sender, strlen(sender), now);
    return out;
}

static bool is_srs(struct send const *send, char const *address, size_t length)
{
    struct srs_settings const *const srs = &send->settings.srs;
    char const *const at = memrchr(address, '@', length);
    return secret_file_is_on(&srs->keys) && at && !strcasecmp(at + 1, srs->domain) &&
           address_is_rewritten(address, (size_t)(at - address));
}

static bool is_batv(struct send const *send, char const *address, size_t length)
{
    return batv_is_ours(&send->settings.batv, &send->settings.routing, address, length);
}

bool send_rewrite_is(struct send const *send, char const *address, size_t length)
{
    return is_srs(send, address, length) || is_batv(send, address, length);
}

static enum send_rewrite look_srs(char out[SEND_REWRITE_SIZE], struct send const *send,
                                  char const *address, size_t length)
{
    struct srs_settings const *const srs = &send->settings.srs;
    struct secret_keys const keys = secret_file_keys(&srs->keys);
    size_t const local = (size_t)((char const *)memrchr(address, '@', length) - address);
    if (srs->keys.refused)
        return SEND_REWRITE_UNKNOWN;
    return srs_reverse(out, &keys, address, local, (time_t)send_now()) == SRS_OK
               ? SEND_REWRITE_ORIGINAL
               : SEND_REWRITE_INVALID;
}

static enum send_rewrite look_batv(char out[SEND_REWRITE_SIZE], char const *address, size_t length)
{
    if (!batv_has_form(address, length) || length >= SEND_REWRITE_SIZE)
        return SEND_REWRITE_INVALID;
    memcpy(out, address + BATV_TAG_LENGTH, length - BATV_TAG_LENGTH);
    out[length - BATV_TAG_LENGTH] = 0;
    return SEND_REWRITE_ORIGINAL;
}

enum send_rewrite send_rewrite_look(char out[SEND_REWRITE_SIZE], struct send const *send,
                                    char const *address, size_t length)
{
    enum send_rewrite result = SEND_REWRITE_NONE;
    if (is_srs(send, address, length))
        result = look_srs(out, send, address, length);
    else if (is_batv(send, address, length))
        result = look_batv(out, address, length);
    /* A colon begins what is no address among an alias's targets, and anybody may begin his own
     * address with one. */
    return result == SEND_REWRITE_ORIGINAL && *out == ':' ? SEND_REWRITE_INVALID : result;
}

char const *send_rewrite_obstacle(struct send const *send, struct queue_message const *message)
{
    struct send_settings const *const settings = &send->settings;
    if (settings->srs.keys.refused && is_foreign(settings, message, message->sender))
        return send_rewrite_srs_unusable;
    if (settings->batv.keys.refused && signs(settings, message->sender))
        return "4.3.5 the keys that sign senders (batv) cannot be used";
    return NULL;
}
