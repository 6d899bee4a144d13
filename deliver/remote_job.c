#include "deliver/remote_job.h"

#include <string.h>

#include "deliver/job.h"
#include "lib/fields.h"

static char const *const way_mx = "mx";
static char const *const way_host = "host";

static bool add_flags(stralloc *out, struct remote_job const *job)
{
    return (!job->body_8bit || stralloc_append(out, '8')) &&
           (!job->smtputf8 || stralloc_append(out, 'U')) && stralloc_0(out);
}

static bool add_recipients(stralloc *out, struct remote_job const *job)
{
    for (unsigned int i = 0; i < job->count; i++)
        if (!fields_add_number(out, job->recipients[i].number) ||
            !fields_add_text(out, job->recipients[i].address))
            return false;
    return true;
}

bool remote_job_format(stralloc *out, struct remote_job const *job)
{
    size_t const before = out->len;
    if (fields_add_text(out, job->host) && fields_add_number(out, job->port) &&
        fields_add_text(out, job->by_mx ? way_mx : way_host) && fields_add_text(out, job->sender) &&
        fields_add_number(out, job->offset) && fields_add_number(out, job->length) &&
        fields_add_sum(out, job->sum) && add_flags(out, job) && add_recipients(out, job))
        return true;
    out->len = before;
    return false;
}

static bool scan_port(char const *text, uint16_t *port)
{
    uint64_t number;
    if (!fields_scan_number(text, &number) || number == 0 || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool scan_way(char const *text, bool *by_mx)
{
    *by_mx = !strcmp(text, way_mx);
    return *by_mx || !strcmp(text, way_host);
}

/* Each letter at most once, in this order. */
static bool scan_flags(char const *text, struct remote_job *job)
{
    job->body_8bit = *text == '8';
    text += job->body_8bit;
    job->smtputf8 = *text == 'U';
    text += job->smtputf8;
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
            !*address || !fields_is_text(address, JOB_ADDRESS_MAX))
            return false;
        recipient->address = address;
    }
    return job->count > 0;
}

bool remote_job_parse(struct remote_job *job, char const *bytes, size_t length)
{
    enum { HOST, PORT, WAY, SENDER, OFFSET, LENGTH, SUM, FLAGS, COUNT };
    char const *fields[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        if (!(fields[i] = fields_next(&bytes, &length)))
            return false;
    job->host = fields[HOST];
    job->sender = fields[SENDER];
    if (!*job->host || !fields_is_text(job->host, REMOTE_JOB_HOST_MAX) ||
        !fields_is_text(job->sender, JOB_ADDRESS_MAX))
        return false;
    if (!scan_port(fields[PORT], &job->port) || !scan_way(fields[WAY], &job->by_mx) ||
        !fields_scan_number(fields[OFFSET], &job->offset) ||
        !fields_scan_number(fields[LENGTH], &job->length) ||
        !fields_scan_sum(fields[SUM], &job->sum) || !scan_flags(fields[FLAGS], job))
        return false;
    if (job->offset > INT64_MAX || job->length > INT64_MAX - job->offset)
        return false;
    return parse_recipients(job, bytes, length);
}
