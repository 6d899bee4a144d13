#include "judge/judge_settings.h"

#include <string.h>

static bool is_word(char const *text, size_t length)
{
    return (length == 6 && !memcmp(text, "accept", 6)) ||
           (length == 5 && !memcmp(text, "defer", 5));
}

static enum control_result load_dnsdown(bool *defers, struct control const *control,
                                        struct control_error *error)
{
    stralloc word = STRALLOC_ZERO;
    enum control_result const result =
        control_first(control, "dnsdown", &word, is_word, "accept or defer", error);
    *defers = result == CONTROL_OK && word.s[0] == 'd';
    stralloc_free(&word);
    return result;
}

static enum check_rule const dns_checks[] = {CHECK_REVERSE_DNS, CHECK_FORWARD_DNS, CHECK_HELO_DNS,
                                             CHECK_SENDER_DNS};

static bool asks_dns(struct judge_settings const *settings)
{
    return settings->dnsbl.count > 0 || settings->rhsbl.count > 0 ||
           checks_any(&settings->checks, dns_checks, sizeof dns_checks / sizeof *dns_checks);
}

enum control_result judge_settings_load_servers(struct judge_settings *settings,
                                                struct control const *control,
                                                struct control_error *error)
{
    return asks_dns(settings) ? dns_servers_load(&settings->servers, control, NULL, error)
                              : CONTROL_OK;
}

enum control_result judge_settings_load(struct judge_settings *settings,
                                        struct control const *control, struct control_error *error)
{
    struct judge_settings loaded = {.dnsblthreshold = 1, .dnsdeadline = 10};
    if (dnsbl_lists_load(&loaded.dnsbl, control, "dnsbl", false, error) == CONTROL_ERROR ||
        dnsbl_lists_load(&loaded.rhsbl, control, "rhsbl", true, error) == CONTROL_ERROR ||
        control_number(control, "dnsblthreshold", &loaded.dnsblthreshold, 1,
                       DNSBL_LISTS_MAX * DNSBL_WEIGHT_MAX, error) == CONTROL_ERROR ||
        control_number(control, "dnsdeadline", &loaded.dnsdeadline, 1, 60, error) ==
            CONTROL_ERROR ||
        load_dnsdown(&loaded.dnsdown_defers, control, error) == CONTROL_ERROR ||
        checks_load(&loaded.checks, control, error) == CONTROL_ERROR ||
        greylist_settings_load(&loaded.greylist, control, error) == CONTROL_ERROR ||
        limits_settings_load(&loaded.limits, control, error) == CONTROL_ERROR ||
        judge_settings_load_servers(&loaded, control, error) == CONTROL_ERROR) {
        judge_settings_free(&loaded);
        return CONTROL_ERROR;
    }
    *settings = loaded;
    return CONTROL_OK;
}

void judge_settings_free(struct judge_settings *settings)
{
    limits_settings_free(&settings->limits);
}

bool judge_settings_remember(struct judge_settings const *settings)
{
    return settings->greylist.present || settings->limits.count > 0;
}

static bool any_list(struct dnsbl_lists const *lists, bool helo)
{
    for (size_t i = 0; i < lists->count; i++)
        if (helo ? lists->lists[i].helo : lists->lists[i].sender)
            return true;
    return false;
}

bool judge_settings_ask(struct judge_settings const *settings, enum question_kind kind)
{
    static enum check_rule const client[] = {CHECK_REVERSE_DNS, CHECK_FORWARD_DNS};
    static enum check_rule const helo[] = {CHECK_HELO_DNS};
    static enum check_rule const sender[] = {CHECK_SENDER_DNS};
    switch (kind) {
    case QUESTION_CLIENT:
        return settings->dnsbl.count > 0 || checks_any(&settings->checks, client, 2);
    case QUESTION_HELLO:
        return any_list(&settings->rhsbl, true) || checks_any(&settings->checks, helo, 1);
    case QUESTION_SENDER:
        return settings->greylist.present || any_list(&settings->rhsbl, false) ||
               checks_any(&settings->checks, sender, 1);
    case QUESTION_CONNECTION: /* all is remembered for this address */
        return judge_settings_remember(settings);
    case QUESTION_RECIPIENT:
        return settings->greylist.present || limits_settings_ask(&settings->limits, kind);
    case QUESTION_UNKNOWN:
    case QUESTION_MESSAGE:
        return limits_settings_ask(&settings->limits, kind);
    }
    return false;
}
