#include "deliver/remote_identity.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/domain_ascii.h"

static bool is_address(char const *host)
{
    char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Empty where HOST has no name that a certificate or SNI could have. */
static void copy_host(char name[TLS_NAME_MAX + 1], char const *host)
{
    size_t length = strlen(host);
    length -= length && host[length - 1] == '.';
    if (length > TLS_NAME_MAX || is_address(host))
        length = 0;
    memcpy(name, host, length);
    name[length] = 0;
}

/* True when NAME is DOMAIN, or below it. */
static bool is_within(char const *name, char const *domain)
{
    char ascii[REMOTE_NAME_MAX];
    if (domain_ascii(ascii, sizeof ascii, domain) != DOMAIN_ASCII_OK)
        return false;
    size_t const whole = strlen(name), part = strlen(ascii);
    return whole >= part && strcasecmp(name + whole - part, ascii) == 0 &&
           (whole == part || name[whole - part - 1] == '.');
}

static bool fail(struct failure *failure, struct remote_way const *way, char const *what,
                 char const *host)
{
    failure->result = JOB_DEFERRED;
    snprintf(failure->text, sizeof failure->text,
             "4.7.5 %.100s is %s%.100s: TLS is required (verify), so the certificate's name has to "
             "be configured, by verify=NAME in tlspolicy or smtproutes",
             way->host, what, host);
    return false;
}

bool remote_identity_choose(char name[TLS_NAME_MAX + 1], struct remote_way const *way,
                            struct remote_candidate const *candidate, bool authenticated,
                            struct failure *failure)
{
    bool const verify = way->level == TLSPOLICY_VERIFY;
    copy_host(name, verify && way->verify_name[0] ? way->verify_name : candidate->host);
    if (!verify || (way->verify_name[0] && name[0]))
        return true;
    if (!name[0])
        return fail(failure, way, "reached at an address without a name, ", candidate->host);
    if (!way->by_mx || authenticated || is_within(name, way->host))
        return true;
    return fail(failure, way, "served by a host outside of it that no signed DNS vouches for, ",
                candidate->host);
}
