#include "lib/checks.h"

#include <stdio.h>
#include <string.h>

static char const *const rules[CHECK_RULES] = {
    [CHECK_REVERSE_DNS] = "reverse-dns",   [CHECK_FORWARD_DNS] = "forward-dns",
    [CHECK_HELO_US] = "helo-us",           [CHECK_HELO_SYNTAX] = "helo-syntax",
    [CHECK_HELO_DNS] = "helo-dns",         [CHECK_SENDER_DNS] = "sender-dns",
    [CHECK_EARLY_TALKER] = "early-talker", [CHECK_PIPELINING] = "pipelining",
};

static char const *const actions[] = {
    [CHECK_OFF] = "off", [CHECK_LOG] = "log", [CHECK_DEFER] = "defer", [CHECK_REFUSE] = "refuse"};

#define EXPECTED_RULE                                                                              \
    "a rule (reverse-dns, forward-dns, helo-us, helo-syntax, helo-dns, sender-dns, early-talker "  \
    "or pipelining), and off, log, defer or refuse"

/* The index of the word; COUNT when it is none of them. */
static size_t find(char const *const *words, size_t count, char const *text, size_t length)
{
    size_t i = 0;
    while (i < count && (strlen(words[i]) != length || memcmp(words[i], text, length) != 0))
        i++;
    return i;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool add_line(void *context, char const *line, size_t length, unsigned int number,
                     struct control_error *error)
{
    struct checks *const checks = context;
    size_t const action_count = sizeof actions / sizeof *actions;
    size_t word = 0;
    while (word < length && !is_blank(line[word]))
        word++;
    size_t second = word;
    while (second < length && is_blank(line[second]))
        second++;
    size_t const rule = find(rules, CHECK_RULES, line, word);
    size_t const action = find(actions, action_count, line + second, length - second);
    if (rule == CHECK_RULES || action == action_count)
        return control_fail(error, EXPECTED_RULE, line, length);
    if (checks->rules[rule].line)
        return control_fail(error, "each rule once", line, length);
    checks->rules[rule] = (struct check){.action = (enum check_action)action, .line = number};
    return true;
}

enum control_result checks_load(struct checks *checks, struct control const *control,
                                struct control_error *error)
{
    struct checks loaded = {0};
    enum control_result const result = control_lines(control, "checks", add_line, &loaded, error);
    if (result != CONTROL_ERROR)
        *checks = loaded;
    return result;
}

char const *checks_name(enum check_rule rule)
{
    return rules[rule];
}

bool checks_any(struct checks const *checks, enum check_rule const *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (checks->rules[wanted[i]].action != CHECK_OFF)
            return true;
    return false;
}

char const *checks_place(char text[static CHECKS_PLACE_SIZE], struct checks const *checks,
                         enum check_rule rule)
{
    unsigned int const line = checks->rules[rule].line;
    text[0] = 0;
    if (line)
        snprintf(text, CHECKS_PLACE_SIZE, "checks:%u", line);
    return text;
}
