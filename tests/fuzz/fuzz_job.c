/* Jobs and answers: whatever parses is made again in the same form. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/job.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void check_job(char const *bytes, size_t length)
{
    struct job job, again;
    stralloc out = STRALLOC_ZERO;
    if (!job_parse(&job, bytes, length))
        return;
    if (!job_format(&out, &job) || !job_parse(&again, out.s, out.len))
        abort();
    if (job.number != again.number || job.offset != again.offset || job.length != again.length ||
        job.sum != again.sum || job.kind != again.kind || job.body_8bit != again.body_8bit ||
        job.smtputf8 != again.smtputf8 || strcmp(job.target, again.target) != 0 ||
        strcmp(job.extension, again.extension) != 0 ||
        strcmp(job.recipient, again.recipient) != 0 || strcmp(job.sender, again.sender) != 0)
        abort();
    if (job.length > INT64_MAX - job.offset)
        abort();
    stralloc_free(&out);
}

static void check_answer(char const *bytes, size_t length)
{
    struct job_answer answer, again;
    stralloc out = STRALLOC_ZERO;
    if (!job_answer_parse(&answer, bytes, length))
        return;
    if (!job_answer_format(&out, &answer) || !job_answer_parse(&again, out.s, out.len))
        abort();
    if (answer.number != again.number || answer.result != again.result ||
        strcmp(answer.text, again.text) != 0)
        abort();
    stralloc_free(&out);
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    check_job((char const *)bytes, length);
    check_answer((char const *)bytes, length);
    return 0;
}
