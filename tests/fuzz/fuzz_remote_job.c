/* Remote jobs: whatever parses is made again in the same form. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/remote_job.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    struct remote_job job, again;
    stralloc out = STRALLOC_ZERO;
    if (!remote_job_parse(&job, (char const *)bytes, length))
        return 0;
    if (!remote_job_format(&out, &job) || !remote_job_parse(&again, out.s, out.len))
        abort();
    if (!smtproutes_are_same(&job.route, &again.route) || job.count != again.count ||
        job.offset != again.offset || job.length != again.length || job.sum != again.sum ||
        job.body_8bit != again.body_8bit || job.smtputf8 != again.smtputf8 ||
        strcmp(job.sender, again.sender) != 0)
        abort();
    for (unsigned int i = 0; i < job.count; i++)
        if (job.recipients[i].number != again.recipients[i].number ||
            job.recipients[i].dsn.notify != again.recipients[i].dsn.notify ||
            !job.recipients[i].dsn.orcpt != !again.recipients[i].dsn.orcpt ||
            strcmp(job.recipients[i].address, again.recipients[i].address) != 0)
            abort();
    if (job.count == 0 || job.route.count == 0 ||
        (job.route.hosts[0].port == 0) != smtproutes_is_socket(job.route.hosts[0].name) ||
        job.length > INT64_MAX - job.offset)
        abort();
    stralloc_free(&out);
    return 0;
}
