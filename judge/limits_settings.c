#include "judge/limits_settings.h"

#include <stdlib.h>
#include <string.h>

#include "lib/duration.h"

#define FILE_NAME "limits"
#define WORDS     3
#define EXPECTED                                                                                   \
    "[ipv4/N, ipv6/N or ADDRESS/N] connections, messages, recipients or unknown, and then "        \
    "COUNT/s, "                                                                                    \
    "/m, /h or /d with a count of 1 to 1000000"

static char const *const names[LIMITS_SUBJECTS] = {
    [LIMITS_CONNECTIONS] = "connections",
    [LIMITS_MESSAGES] = "messages",
    [LIMITS_RECIPIENTS] = "recipients",
    [LIMITS_UNKNOWN] = "unknown",
};

struct word {
    char const *text;
    size_t length;
};

static bool is(struct word const *word, char const *text)
{
    return word->length == strlen(text) && !memcmp(word->text, text, word->length);
}

/* Splits LINE into at most WORDS words. Returns how many; 0 for more. */
static size_t split(struct word words[WORDS], char const *line, size_t length)
{
    size_t count = 0;
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && line[end] != ' ' && line[end] != '\t')
            end++;
        if (end > at) {
            if (count == WORDS)
                return 0;
            words[count++] = (struct word){line + at, end - at};
        }
        at = end + 1;
    }
    return count;
}

static bool scan_number(char const *text, size_t length, uint64_t maximum, uint64_t *value)
{
    uint64_t sum = 0;
    if (length == 0 || length > 7)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        sum = sum * 10 + (uint64_t)(text[i] - '0');
    }
    *value = sum;
    return sum > 0 && sum <= maximum;
}

static bool parse_scope(struct limit *limit, struct word const *word)
{
    static char const each4[] = "ipv4/", each6[] = "ipv6/";
    size_t const size = sizeof each4 - 1;
    uint64_t prefix;
    if (word->length > size &&
        (!memcmp(word->text, each4, size) || !memcmp(word->text, each6, size))) {
        bool const is6 = !memcmp(word->text, each6, size);
        limit->scope = is6 ? LIMITS_EACH6 : LIMITS_EACH4;
        if (!scan_number(word->text + size, word->length - size, is6 ? 128 : 32, &prefix))
            return false;
        limit->prefix = (unsigned int)prefix;
        return true;
    }
    limit->scope = LIMITS_NETWORK;
    return network_parse(word->text, word->length, &limit->network) && !limit->network.excluded;
}

static bool parse_subject(struct limit *limit, struct word const *word)
{
    for (unsigned int i = 0; i < LIMITS_SUBJECTS; i++)
        if (is(word, names[i])) {
            limit->subject = (enum limits_subject)i;
            return true;
        }
    return false;
}

/* COUNT/UNIT, or `none` for a network of its own. */
static bool parse_count(struct limit *limit, struct word const *word)
{
    if (is(word, "none") && limit->scope == LIMITS_NETWORK) {
        limit->unit = 's';
        return true;
    }
    if (word->length < 3 || word->text[word->length - 2] != '/')
        return false;
    limit->unit = word->text[word->length - 1];
    return duration_unit(limit->unit) &&
           scan_number(word->text, word->length - 2, LIMITS_COUNT_MAX, &limit->count);
}

static bool parse(struct limit *limit, char const *line, size_t length)
{
    struct word words[WORDS];
    size_t const count = split(words, line, length);
    memset(limit, 0, sizeof *limit);
    if (count < 2 || (count == WORDS && !parse_scope(limit, words)))
        return false;
    return parse_subject(limit, words + count - 2) && parse_count(limit, words + count - 1);
}

/* They would share a counter. */
static bool is_same(struct limit const *left, struct limit const *right)
{
    return left->subject == right->subject && left->scope == right->scope &&
           left->prefix == right->prefix && left->unit == right->unit &&
           left->network.prefix == right->network.prefix &&
           !memcmp(left->network.address, right->network.address, sizeof left->network.address);
}

static bool add(void *context, char const *line, size_t length, unsigned int number,
                struct control_error *error)
{
    struct limits_settings *const settings = context;
    struct limit limit;
    if (!parse(&limit, line, length))
        return control_fail(error, EXPECTED, line, length);
    limit.line = number;
    for (size_t i = 0; i < settings->count; i++)
        if (is_same(settings->entries + i, &limit))
            return control_fail_hint(error, "each limit once", line, length,
                                     "a line above has the same scope, subject and unit");
    if (settings->count == LIMITS_MAX)
        return control_fail(error, "at most 1000 limits", line, length);
    struct limit *const entries =
        reallocarray(settings->entries, settings->count + 1, sizeof *entries);
    if (!entries)
        return control_fail(error, "enough memory for the limits", line, length);
    settings->entries = entries;
    entries[settings->count++] = limit;
    return true;
}

enum control_result limits_settings_load(struct limits_settings *settings,
                                         struct control const *control, struct control_error *error)
{
    memset(settings, 0, sizeof *settings);
    enum control_result const result = control_lines(control, FILE_NAME, add, settings, error);
    if (result != CONTROL_OK)
        limits_settings_free(settings);
    settings->present = settings->count > 0;
    return result;
}

void limits_settings_free(struct limits_settings *settings)
{
    free(settings->entries);
    memset(settings, 0, sizeof *settings);
}

bool limits_settings_subjects(enum question_kind kind, enum limits_subject *taken,
                              enum limits_subject *needed)
{
    static struct {
        enum question_kind kind;
        enum limits_subject taken, needed;
    } const effects[] = {
        {QUESTION_CONNECTION, LIMITS_CONNECTIONS, LIMITS_UNKNOWN},
        {QUESTION_RECIPIENT, LIMITS_RECIPIENTS, LIMITS_MESSAGES},
        {QUESTION_UNKNOWN, LIMITS_UNKNOWN, LIMITS_UNKNOWN},
        {QUESTION_MESSAGE, LIMITS_MESSAGES, LIMITS_MESSAGES},
    };
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
        if (effects[i].kind == kind) {
            *taken = effects[i].taken;
            *needed = effects[i].needed;
            return true;
        }
    return false;
}

bool limits_settings_ask(struct limits_settings const *settings, enum question_kind kind)
{
    enum limits_subject taken, needed;
    if (!limits_settings_subjects(kind, &taken, &needed))
        return false;
    for (size_t i = 0; i < settings->count; i++)
        if (settings->entries[i].subject == taken || settings->entries[i].subject == needed)
            return true;
    return false;
}
