#include "judge/question.h"

#include <stdio.h>
#include <string.h>

#include <skalibs/types.h>

static struct {
    char kind;
    unsigned int fields;
} const kinds[] = {
    {QUESTION_CONNECTION, 1}, {QUESTION_CLIENT, 1},  {QUESTION_HELLO, 1},   {QUESTION_SENDER, 1},
    {QUESTION_RECIPIENT, 2},  {QUESTION_UNKNOWN, 1}, {QUESTION_MESSAGE, 1},
};

/* The number of fields of KIND; 0 for none of ours. */
static unsigned int fields_of(char kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == kind)
            return kinds[i].fields;
    return 0;
}

/* Takes `LETTER NUMBER NUL`. Returns how many bytes that are, 0 when it is none. */
static size_t parse_head(enum question_kind *kind, unsigned int *number, char const *packet,
                         size_t length)
{
    if (length < 3 || !fields_of(packet[0]) || packet[1] < '0' || packet[1] > '9')
        return 0;
    char const *const end = memchr(packet, 0, length < 12 ? length : 12);
    if (!end || !uint0_scan(packet + 1, number))
        return 0;
    *kind = (enum question_kind)packet[0];
    return (size_t)(end - packet) + 1;
}

static size_t format_head(char *packet, enum question_kind kind, unsigned int number)
{
    return (size_t)snprintf(packet, 12, "%c%u", (char)kind, number) + 1;
}

size_t question_format(char packet[QUESTION_PACKET_MAX], struct question const *question)
{
    size_t length = format_head(packet, question->kind, question->number);
    for (unsigned int i = 0; i < fields_of((char)question->kind); i++) {
        size_t const size = strnlen(question->fields[i], QUESTION_FIELD_MAX + 1) + 1;
        if (size > QUESTION_FIELD_MAX + 1)
            return 0;
        memcpy(packet + length, question->fields[i], size);
        length += size;
    }
    return length;
}

bool question_parse(struct question *question, char const *packet, size_t length)
{
    memset(question, 0, sizeof *question);
    size_t used = parse_head(&question->kind, &question->number, packet, length);
    if (used == 0)
        return false;
    for (unsigned int i = 0; i < fields_of((char)question->kind); i++) {
        size_t const rest = length - used;
        char const *const end =
            memchr(packet + used, 0, rest < QUESTION_FIELD_MAX + 1 ? rest : QUESTION_FIELD_MAX + 1);
        if (!end)
            return false;
        size_t const size = (size_t)(end - (packet + used)) + 1;
        memcpy(question->fields[i], packet + used, size);
        used += size;
    }
    return used == length;
}

size_t question_answer_format(char packet[QUESTION_ANSWER_MAX],
                              struct question_answer const *answer)
{
    size_t length = format_head(packet, answer->kind, answer->number);
    for (size_t i = 0; i < answer->count; i++)
        length += finding_format(packet + length, &answer->findings[i]);
    return length;
}

bool question_answer_parse(struct question_answer *answer, char const *packet, size_t length)
{
    answer->count = 0;
    size_t used = parse_head(&answer->kind, &answer->number, packet, length);
    if (used == 0)
        return false;
    while (used < length) {
        if (answer->count == QUESTION_FINDINGS_MAX)
            return false;
        size_t const taken =
            finding_parse(&answer->findings[answer->count++], packet + used, length - used);
        if (taken == 0)
            return false;
        used += taken;
    }
    return true;
}
