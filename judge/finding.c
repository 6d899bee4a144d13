#include "judge/finding.h"

#include <stdio.h>
#include <string.h>

static char printable(char byte)
{
    return byte >= ' ' && byte <= '~' ? byte : '?';
}

/* Adds TEXT behind the LENGTH bytes that OUT has, as far as SIZE (with the NUL) allows. */
static void add(char *out, size_t length, size_t size, char const *text)
{
    for (; text && *text && length + 1 < size; text++)
        out[length++] = printable(*text);
    out[length] = 0;
}

void finding_make(struct finding *finding, enum finding_verdict verdict, char const *rule,
                  char const *place)
{
    memset(finding, 0, sizeof *finding);
    finding->verdict = verdict;
    add(finding->rule, 0, sizeof finding->rule, rule);
    add(finding->place, 0, sizeof finding->place, place);
}

void finding_reply(struct finding *finding, unsigned int number, char const *status,
                   char const *text)
{
    finding->number = number;
    add(finding->status, 0, sizeof finding->status, status);
    add(finding->text, 0, sizeof finding->text, text);
}

void finding_trail(struct finding *finding, char const *text)
{
    add(finding->trail, strlen(finding->trail), sizeof finding->trail, text);
}

size_t finding_format(char bytes[FINDING_BYTES_MAX], struct finding const *finding)
{
    char const *const texts[] = {finding->rule, finding->place, finding->status, finding->text,
                                 finding->trail};
    size_t length = (size_t)snprintf(bytes, FINDING_BYTES_MAX, "%c%u", (char)finding->verdict,
                                     finding->number) +
                    1;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t const size = strlen(texts[i]) + 1;
        memcpy(bytes + length, texts[i], size);
        length += size;
    }
    return length;
}

/* Takes one text of at most SIZE - 1 printable bytes and its NUL. */
static bool take(char *out, size_t size, char const **bytes, size_t *length)
{
    size_t const space = *length < size ? *length : size;
    char const *const end = memchr(*bytes, 0, space);
    if (!end)
        return false;
    for (char const *byte = *bytes; byte < end; byte++)
        if (printable(*byte) != *byte)
            return false;
    size_t const taken = (size_t)(end - *bytes) + 1;
    memcpy(out, *bytes, taken);
    *bytes += taken;
    *length -= taken;
    return true;
}

/* `0`, or three digits of the class that VERDICT has. */
static bool parse_number(struct finding *finding, char const *text)
{
    char const class = finding->verdict == FINDING_DEFER    ? '4'
                       : finding->verdict == FINDING_REFUSE ? '5'
                                                            : '0';
    if (class == '0' || text[0] != class)
        return class == '0' && !strcmp(text, "0");
    if (strlen(text) != 3 || text[1] < '0' || text[1] > '5' || text[2] < '0' || text[2] > '9')
        return false;
    finding->number = (unsigned int)((text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0');
    return true;
}

size_t finding_parse(struct finding *finding, char const *bytes, size_t length)
{
    char number[4];
    size_t const whole = length;
    memset(finding, 0, sizeof *finding);
    if (length == 0 || !bytes[0] || !strchr("-+ndr?", bytes[0]))
        return 0;
    finding->verdict = (enum finding_verdict)bytes[0];
    bytes++;
    length--;
    if (!take(number, sizeof number, &bytes, &length) || !parse_number(finding, number) ||
        !take(finding->rule, sizeof finding->rule, &bytes, &length) ||
        !take(finding->place, sizeof finding->place, &bytes, &length) ||
        !take(finding->status, sizeof finding->status, &bytes, &length) ||
        !take(finding->text, sizeof finding->text, &bytes, &length) ||
        !take(finding->trail, sizeof finding->trail, &bytes, &length) || !finding->rule[0])
        return 0;
    return whole - length;
}
