/* The question as it comes from a session, and the answer as a session reads it: what is taken is
 * within its bounds, and an answer is the same when it is written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spf/spf_answer.h"
#include "spf/spf_question.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void expect(bool what)
{
    if (!what)
        abort();
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    static struct spf_question question;
    static struct spf_answer answer;
    char again[SPF_ANSWER_MAX];
    char *text = malloc(length ? length : 1);
    expect(text != NULL);
    if (length)
        memcpy(text, bytes, length);
    enum spf_question_result const result = spf_question_parse(&question, text, length);
    if (result != SPF_QUESTION_MALFORMED) {
        expect(strlen(question.helo) <= SPF_FIELD_MAX && *question.local && *question.sender);
        expect(strlen(question.sender) < sizeof question.sender);
    }
    if (result == SPF_QUESTION_OK)
        expect(*question.domain.dns && strlen(question.domain.plain) <= SPF_NAME_MAX);
    if (spf_answer_parse(&answer, text, length))
        expect(spf_answer_format(again, &answer) == length && memcmp(again, text, length) == 0);
    free(text);
    return 0;
}
