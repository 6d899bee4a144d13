/* Questions and answers between a session and ekiden-judge: what is read is within its bounds, and
 * written again it is what it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "judge/question.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void expect(bool what)
{
    if (!what)
        abort();
}

static void check_text(char const *text, size_t size)
{
    size_t const length = strnlen(text, size);
    expect(length < size);
    for (size_t i = 0; i < length; i++)
        expect(text[i] >= ' ' && text[i] <= '~');
}

static void check_question(char const *bytes, size_t length)
{
    static struct question question, again;
    char packet[QUESTION_PACKET_MAX];
    if (!question_parse(&question, bytes, length))
        return;
    expect(length <= QUESTION_PACKET_MAX);
    size_t const written = question_format(packet, &question);
    expect(written > 0 && question_parse(&again, packet, written));
    expect(!memcmp(&question, &again, sizeof question));
}

static void check_answer(char const *bytes, size_t length)
{
    static struct question_answer answer, again;
    static char packet[QUESTION_ANSWER_MAX];
    if (!question_answer_parse(&answer, bytes, length))
        return;
    expect(answer.count <= QUESTION_FINDINGS_MAX);
    for (size_t i = 0; i < answer.count; i++) {
        struct finding const *const finding = &answer.findings[i];
        expect(strchr("-+ndr?", (char)finding->verdict) && finding->rule[0]);
        expect(finding->number / 100 == (finding->verdict == FINDING_DEFER    ? 4
                                         : finding->verdict == FINDING_REFUSE ? 5
                                                                              : 0));
        check_text(finding->rule, sizeof finding->rule);
        check_text(finding->place, sizeof finding->place);
        check_text(finding->status, sizeof finding->status);
        check_text(finding->text, sizeof finding->text);
        check_text(finding->trail, sizeof finding->trail);
    }
    size_t const written = question_answer_format(packet, &answer);
    expect(question_answer_parse(&again, packet, written) && again.count == answer.count);
    expect(!memcmp(answer.findings, again.findings, answer.count * sizeof *answer.findings));
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    /* A copy of its very size, so that a read beyond the end is seen. */
    char *const packet = malloc(length ? length : 1);
    expect(packet != NULL);
    if (length)
        memcpy(packet, bytes, length);
    check_question(packet, length);
    check_answer(packet, length);
    free(packet);
    return 0;
}
