#include "queue/report_job.h"

#include <string.h>

#include "lib/fields.h"

static char const *const kinds[REPORT_KINDS] = {
    [REPORT_FAILURE] = "failure", [REPORT_DELAY] = "delay", [REPORT_SUCCESS] = "success"};

char const *report_kind_name(enum report_kind kind)
{
    return kinds[kind];
}

bool report_job_format(stralloc *out, struct report_job const *job)
{
    size_t const before = out->len;
    if (fields_add_number(out, job->number) && fields_add_text(out, kinds[job->kind]) &&
        fields_add_text(out, job->id))
        return true;
    out->len = before;
    return false;
}

bool report_job_parse(struct report_job *job, char const *bytes, size_t length)
{
    enum { NUMBER, KIND, ID, COUNT };
    char const *fields[COUNT];
    uint64_t number;
    *job = (struct report_job){.number = 0};
    if (!length || !memchr(bytes, 0, length) || !fields_scan_number(bytes, &number))
        return false;
    job->number = number;
    if (!fields_split(fields, COUNT, bytes, length) || !queue_file_is_name(fields[ID]))
        return false;
    memcpy(job->id, fields[ID], sizeof job->id);
    for (size_t kind = 0; kind < REPORT_KINDS; kind++)
        if (strcmp(fields[KIND], kinds[kind]) == 0) {
            job->kind = (enum report_kind)kind;
            return true;
        }
    return false;
}
