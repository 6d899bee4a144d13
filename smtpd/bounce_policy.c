#include "smtpd/bounce_policy.h"

#include <string.h>
#include <time.h>

#include <skalibs/bytestr.h>

#include "lib/address_list.h"
#include "lib/batv_settings.h"
#include "smtpd/policy_ask.h"

#define POSTMASTER "postmaster"

enum policy_rule bounce_policy_unwrap(struct connection const *connection, struct address *address)
{
    struct settings const *const settings = connection->settings;
    struct batv_settings const *const batv = &settings->batv;
    struct secret_keys const keys = secret_file_keys(&batv->keys);
    if (address->domain != ADDRESS_DOMAIN_NAME ||
        !batv_is_ours(batv, &settings->routing, address->bytes, address->length))
        return POLICY_WELCOME;
    if (policy_ask(connection, POLICY_BATV_UNUSABLE, batv->keys.refused))
        return POLICY_BATV_UNUSABLE;
    if (policy_ask_line(connection, POLICY_BATV_INVALID,
                        batv_check(&keys, address->bytes, address->length, time(NULL)) != BATV_OK,
                        0))
        return POLICY_BATV_INVALID;
    address->length -= BATV_TAG_LENGTH;
    address->local_length -= BATV_TAG_LENGTH;
    memmove(address->bytes, address->bytes + BATV_TAG_LENGTH, address->length + 1);
    return POLICY_BATV;
}

/* RFC 5321 4.5.1. */
static bool is_postmaster(struct address const *address)
{
    return address->local_length == sizeof POSTMASTER - 1 &&
           case_diffb(address->bytes, sizeof POSTMASTER - 1, POSTMASTER) == 0;
}

static bool is_exempt(struct connection const *connection, struct address const *address)
{
    unsigned int const line =
        address_list_find(&connection->settings->batv.exempt, address->bytes, address->length);
    return policy_ask_line(connection, POLICY_BATVEXEMPT, line != 0, line);
}

enum policy_rule bounce_policy_check(struct connection const *connection, enum policy_rule right,
                                     struct address const *address)
{
    struct settings const *const settings = connection->settings;
    struct batv_settings const *const batv = &settings->batv;
    bool const is_stranger = right == POLICY_RCPTHOSTS || right == POLICY_MORERCPTHOSTS;
    if (!batv->check || batv->keys.size == 0 || connection->role != ROLE_MX || !is_stranger ||
        is_postmaster(address) || is_exempt(connection, address))
        return right;
    return policy_ask_line(connection, POLICY_BATVCHECK,
                           batv_signs(batv, &settings->routing, address->bytes, address->length), 0)
               ? POLICY_BATVCHECK
               : right;
}
