/* A user's message in pieces of any size, against the plain reference. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/submission_reference.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size);

static char *out;
static size_t out_length;

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void put(void *context, char const *bytes, size_t length)
{
    (void)context;
    memcpy(out + out_length, bytes, length);
    out_length += length;
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size)
{
    static struct submission submission;
    struct submission_reference found;
    if (size < 1)
        return 0;
    unsigned int piece = bytes[0] % 64 + 1u;
    size_t length = size - 1;
    char *const text = malloc(size + 1), *const expected = malloc(size + REFERENCE_MAX_MORE);
    out = malloc(size + REFERENCE_MAX_MORE);
    out_length = 0;
    check(text && expected && out);
    memcpy(text, bytes + 1, length);
    if (length > 0 && text[length - 1] != '\n')
        text[length++] = '\n';
    size_t const expected_length = reference_complete(expected, &found, text, length);

    submission_start(&submission, put, 0, REFERENCE_DATE, REFERENCE_ID);
    for (size_t done = 0; done < length;) {
        size_t const now = length - done < piece ? length - done : piece;
        char *const buffer = malloc(now); /* exactly as long, for the sanitizer */
        check(buffer != 0);
        memcpy(buffer, text + done, now);
        submission_add(&submission, buffer, now);
        free(buffer);
        done += now;
        piece = piece * 7 % 61 + 1;
    }
    submission_end(&submission);
    check(out_length == expected_length && memcmp(out, expected, out_length) == 0);
    check(submission.from_count == found.from_count);
    if (!submission.from_too_long)
        check(submission.from_length == found.from_length &&
              (!found.from_length || memcmp(submission.from, found.from, found.from_length) == 0));
    free(text);
    free(expected);
    free(out);
    return 0;
}
