#include "deliver/remote_job.h"

#include <string.h>

#include "deliver/dsn_fields.h"
#include "deliver/job.h"
#include "lib/fields.h"

/* By kind and implicit. */
enum way_kind { WAY_HOST, WAY_MX, WAY_LMTP, WAY_KINDS };
static char const *const ways[WAY_KINDS][2] = {[WAY_HOST] = {"host", "host-tls"},
                                               [WAY_MX] = {"mx", "mx-tls"},
                                               [WAY_LMTP] = {"lmtp", "lmtp-tls"}};

static enum way_kind kind_of(struct smtproute const *route, struct smtproute_host const *host)
{
    return route->by_mx ? WAY_MX : host->lmtp ? WAY_LMTP : WAY_HOST;
}

static bool add_route(stralloc *out, struct smtproute const *route)
{
    for (unsigned int i = 0; i < route->count; i++) {
        struct smtproute_host const *const host = route->hosts + i;
        if (!fields_add_text(out, host->name) || !fields_add_number(out, host->port) ||
            !fields_add_text(out, ways[kind_of(route, host)][host->implicit]))
            return false;
    }
    return fields_add_text(out, "") &&
           fields_add_text(out, tlspolicy_level_text(route->tls.level)) &&
           fields_add_text(out, route->tls.name) && fields_add_text(out, route->auth);
}

static bool add_flags(stralloc *out, struct remote_job const *job)
{
    return (!job->body_8bit || stralloc_append(out, '8')) &&
           (!job->smtputf8 || stralloc_append(out, 'U')) &&
           (!job->route.clear_auth || stralloc_append(out, 'C')) && stralloc_0(out);
}

static bool add_recipients(stralloc *out, struct remote_job const *job)
{
    for (unsigned int i = 0; i < job->count; i++)
        if (!fields_add_number(out, job->recipients[i].number) ||
            !fields_add_text(out, job->recipients[i].address) ||
            !dsn_fields_add_recipient(out, &job->recipients[i].dsn))
            return false;
    return true;
}

bool remote_job_format(stralloc *out, struct remote_job const *job)
{
    size_t const before = out->len;
    if (add_route(out, &job->route) && fields_add_text(out, job->sender) &&
        fields_add_number(out, job->offset) && fields_add_number(out, job->length) &&
        fields_add_sum(out, job->sum) && add_flags(out, job) &&
        dsn_fields_add_message(out, &job->dsn) && add_recipients(out, job))
        return true;
    out->len = before;
    return false;
}

static bool scan_port(char const *text, uint16_t *port)
{
    uint64_t number;
    if (!fields_scan_number(text, &number) || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool scan_way(char const *text, enum way_kind *kind, bool *implicit)
{
    for (unsigned int i = 0; i < 2 * WAY_KINDS; i++)
        if (!strcmp(text, ways[i / 2][i % 2])) {
            *kind = i / 2;
            *implicit = i % 2;
            return true;
        }
    return false;
}

/* A socket, and nothing else, has no port, and is spoken to in LMTP without TLS. */
static bool is_sound(struct smtproute_host const *host)
{
    if (!smtproutes_is_socket(host->name))
        return host->port > 0;
    return host->port == 0 && host->lmtp && !host->implicit &&
           strlen(host->name) < SMTPROUTES_SOCKET_MAX;
}

/* Copies TEXT, which may be empty. */
static bool set(char *target, size_t size, char const *text)
{
    if (!fields_is_text(text, size - 1))
        return false;
    memcpy(target, text, strlen(text) + 1);
    return true;
}

static bool parse_hosts(struct smtproute *route, char const **bytes, size_t *length)
{
    for (;;) {
        char const *const name = fields_next(bytes, length);
        if (!name || !*name)
            return name && route->count > 0;
        char const *const port = fields_next(bytes, length);
        char const *const way = port ? fields_next(bytes, length) : NULL;
        struct smtproute_host *const host = route->hosts + route->count;
        enum way_kind kind;
        if (!way || route->count == SMTPROUTES_HOSTS_MAX ||
            !set(host->name, sizeof host->name, name) || !scan_port(port, &host->port) ||
            !scan_way(way, &kind, &host->implicit) || (route->count > 0 && kind == WAY_MX) ||
            route->by_mx)
            return false;
        route->by_mx = kind == WAY_MX;
        host->lmtp = kind == WAY_LMTP;
        if (!is_sound(host))
            return false;
        route->count++;
    }
}

static bool parse_route(struct smtproute *route, char const **bytes, size_t *length)
{
    enum { LEVEL, NAME, AUTH, COUNT };
    char const *fields[COUNT];
    memset(route, 0, sizeof *route);
    if (!parse_hosts(route, bytes, length))
        return false;
    for (size_t i = 0; i < COUNT; i++)
        if (!(fields[i] = fields_next(bytes, length)))
            return false;
    return tlspolicy_level_scan(&route->tls.level, fields[LEVEL], strlen(fields[LEVEL])) &&
           set(route->tls.name, sizeof route->tls.name, fields[NAME]) &&
           (!*fields[AUTH] || smtproutes_is_reference(fields[AUTH], strlen(fields[AUTH]))) &&
           set(route->auth, sizeof route->auth, fields[AUTH]);
}

/* Each letter at most once, in this order. */
static bool scan_flags(char const *text, struct remote_job *job)
{
    job->body_8bit = *text == '8';
    text += job->body_8bit;
    job->smtputf8 = *text == 'U';
    text += job->smtputf8;
    job->route.clear_auth = *text == 'C';
    text += job->route.clear_auth;
    return !*text;
}

static bool has_number(struct remote_job const *job, uint64_t number)
{
    for (unsigned int i = 0; i < job->count; i++)
        if (job->recipients[i].number == number)
            return true;
    return false;
}

static bool parse_recipients(struct remote_job *job, char const *bytes, size_t length)
{
    for (job->count = 0; length; job->count++) {
        char const *const number = fields_next(&bytes, &length);
        char const *const address = number ? fields_next(&bytes, &length) : NULL;
        if (!address || job->count == REMOTE_JOB_RECIPIENTS_MAX)
            return false;
        struct remote_job_recipient *const recipient = job->recipients + job->count;
        if (!fields_scan_number(number, &recipient->number) || has_number(job, recipient->number) ||
            !*address || !fields_is_text(address, JOB_ADDRESS_MAX) ||
            !dsn_fields_next_recipient(&recipient->dsn, &bytes, &length))
            return false;
        recipient->address = address;
    }
    return job->count > 0;
}

bool remote_job_parse(struct remote_job *job, char const *bytes, size_t length)
{
    enum { SENDER, OFFSET, LENGTH, SUM, FLAGS, COUNT };
    char const *fields[COUNT];
    if (!parse_route(&job->route, &bytes, &length))
        return false;
    for (size_t i = 0; i < COUNT; i++)
        if (!(fields[i] = fields_next(&bytes, &length)))
            return false;
    job->sender = fields[SENDER];
    if (!fields_is_text(job->sender, JOB_ADDRESS_MAX) ||
        !fields_scan_number(fields[OFFSET], &job->offset) ||
        !fields_scan_number(fields[LENGTH], &job->length) ||
        !fields_scan_sum(fields[SUM], &job->sum) || !scan_flags(fields[FLAGS], job))
        return false;
    if (job->offset > INT64_MAX || job->length > INT64_MAX - job->offset)
        return false;
    return dsn_fields_next_message(&job->dsn, &bytes, &length) &&
           parse_recipients(job, bytes, length);
}
