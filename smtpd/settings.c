#include "smtpd/settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/address.h"
#include "lib/address_list.h"
#include "lib/domain_ascii.h"

#define GREETING_MAX 400 /* bytes: a reply line has at most 512 */

/* The settings that are one number, each in the file of its name. */
static struct number {
    char const *name;
    size_t offset; /* of its uint64_t in struct settings */
    uint64_t standard, minimum, maximum;
} const numbers[] = {
#define NUMBER(name, standard, minimum, maximum)                                                   \
    {                                                                                              \
#name, offsetof(struct settings, name), standard, minimum, maximum                         \
    }
    NUMBER(databytes, CONTROL_DATABYTES, 0, INT64_MAX),
    NUMBER(maxrcpt, 1000, 100, 1000000), /* RFC 5321 4.5.3.1.8: not below 100 */
    NUMBER(timeoutsmtpd, 300, 1, 86400),
    NUMBER(timeoutsession, 7200, 1, 604800),
    NUMBER(greetdelay, 0, 0, 120),   /* a client waits five minutes: RFC 5321 4.5.3.2.1 */
    NUMBER(timeouttls, 30, 1, 3600), /* TLS_SECONDS_MAX */
    NUMBER(timeoutauth, 60, 1, 170), /* a client waits three minutes: RFC 4954 4 */
    NUMBER(authcheckfrom, 0, 0, 1),
    NUMBER(spfbehavior, 0, 0, 4),
    NUMBER(spftimeout, 10, 1, 60),
    NUMBER(maxerrors, 20, 1, 1000000),
    NUMBER(concurrencyincoming, 1000, 1, 1000000),
    NUMBER(concurrencyperip, 100, 1, 1000000),
#undef NUMBER
};

/* The settings that are a table, each in the file of its name. */
static table_parse_func parse_accepted, parse_login_sender, parse_bad_name;
static struct list {
    char const *name;
    size_t offset; /* of its struct table in struct settings */
    table_parse_func *parse;
} const lists[] = {
    {"rcpthosts", offsetof(struct settings, rcpthosts), parse_accepted},
    {"morercpthosts", offsetof(struct settings, morercpthosts), parse_accepted},
    {"badmailfrom", offsetof(struct settings, badmailfrom), address_list_parse},
    {"badrcptto", offsetof(struct settings, badrcptto), address_list_parse},
    {"badhelo", offsetof(struct settings, badhelo), parse_bad_name},
    {"authsenders", offsetof(struct settings, authsenders), parse_login_sender},
};

/* A line of rcpthosts or morercpthosts: DOMAIN or .PARENT. What would accept mail for the whole
 * Internet, or the whole of a top-level domain, is an open relay and no setting. */
static bool parse_accepted(char const *line, size_t length, struct table_entry *entry,
                           struct control_error *error)
{
    static char const expected[] = "DOMAIN or .PARENT";
    size_t dot = length > 0 && line[0] == '.';
    char const *hint = 0;
    *entry = (struct table_entry){.key = line, .key_length = length};
    bool domain = address_is_domain(line + dot, length - dot, true);
    if (domain && (!dot || memchr(line + 1, '.', length - 1)))
        return true;
    if (domain)
        hint = "this would accept mail for the whole of a top-level domain (an open relay); list "
               "your own domains";
    else if (length == dot || (length == 1 && line[0] == '*') ||
             (length > 1 && !memcmp(line, "*@", 2)))
        hint = "this would accept mail for the whole Internet (an open relay); list your own "
               "domains";
    else if (length > 2 && !memcmp(line, "*.", 2))
        hint = "for all sub-domains write `.` and the domain, without the `*`";
    return hint ? control_fail_hint(error, expected, line, length, hint)
                : control_fail(error, expected, line, length);
}

/* A line of authsenders: LOGIN:ADDRESS, LOGIN:@DOMAIN or LOGIN:*. A login may have several, so the
 * whole line is the key. */
static bool parse_login_sender(char const *line, size_t length, struct table_entry *entry,
                               struct control_error *error)
{
    char const *const colon = memchr(line, ':', length);
    char const *const sender = colon ? colon + 1 : line + length;
    size_t const sender_length = length - (size_t)(sender - line);
    char const *const sign = memrchr(sender, '@', sender_length);
    *entry = (struct table_entry){.key = line, .key_length = length};
    bool const all = sender_length == 1 && *sender == '*';
    bool const address = sign &&
                         address_is_domain(sign + 1, length - (size_t)(sign + 1 - line), true) &&
                         (sign == sender || address_is_utf8(sender, (size_t)(sign - sender)));
    if (colon && colon > line && (all || address))
        return true;
    return control_fail(error, "LOGIN:ADDRESS, LOGIN:@DOMAIN or LOGIN:*", line, length);
}

/* A line of badhelo: what a client says, its domain with A-labels, or .PARENT. What other servers'
 * lists have besides, as `@` and `*`, would never match. */
static bool parse_bad_name(char const *line, size_t length, struct table_entry *entry,
                           struct control_error *error)
{
    static char key[TABLE_KEY_MAX];
    static char const expected[] = "NAME or .PARENT";
    if (line[0] == '@' || line[0] == '*')
        return control_fail_hint(error, expected, line, length,
                                 line[0] == '@'
                                     ? "a client says its name without an `@`; leave it out"
                                     : "for all names below PARENT write `.` and PARENT");
    bool const parent = line[0] == '.';
    bool good = !parent || address_is_domain(line + 1, length - 1, true);
    for (size_t i = 0; i < length; i++)
        good = good && (unsigned char)line[i] > 0x20 && line[i] != 0x7f;
    size_t const made = length > sizeof key ? 0
                                            : domain_key(key + parent, sizeof key - parent,
                                                         line + parent, length - parent);
    *entry = (struct table_entry){.key = line, .key_length = length};
    if (made > 0) {
        if (parent)
            key[0] = '.';
        *entry = (struct table_entry){.key = key, .key_length = parent + made};
    }
    return good || control_fail(error, expected, line, length);
}

static bool is_greeting(char const *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    return length <= GREETING_MAX;
}

static bool is_absolute(char const *text, size_t length)
{
    return length > 1 && text[0] == '/';
}

/* Reads a line of text, for the caller to free; 0 when the file is absent. */
static enum control_result load_text(char **text, struct control const *control, char const *name,
                                     control_check_func *check, char const *expected,
                                     struct control_error *error)
{
    stralloc value = STRALLOC_ZERO;
    enum control_result result = control_first(control, name, &value, check, expected, error);
    *text = result == CONTROL_OK ? strndup(value.s, value.len) : 0;
    if (result == CONTROL_OK && !*text)
        result = control_problem(control, name, error, "expected enough memory");
    stralloc_free(&value);
    return result;
}

static enum control_result load_texts(struct settings *settings, struct control const *control,
                                      struct control_error *error)
{
    enum control_result result =
        load_text(&settings->greeting, control, "smtpgreeting", is_greeting,
                  "this host's name and perhaps a text, in 400 bytes of printable ASCII", error);
    if (result == CONTROL_ERROR)
        return result;
    if (result == CONTROL_ABSENT) {
        settings->greeting = strdup(settings->routing.me);
        if (!settings->greeting)
            return control_problem(control, "smtpgreeting", error, "expected enough memory");
    }
    return load_text(&settings->queueprogram, control, "queueprogram", is_absolute,
                     "the absolute path of a program", error);
}

/* What is in it is the key process's matter. It may be hidden from this user. */
static bool has_certificate(struct control const *control)
{
    struct stat status;
    control_ask(control, "tls");
    return fstatat(control->directory, "tls/default", &status, 0) == 0 || errno == EACCES;
}

static enum control_result load_all(struct settings *settings, struct control const *control,
                                    struct control_error *error)
{
    if (routing_load(&settings->routing, control, error) == CONTROL_ERROR ||
        load_texts(settings, control, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct number const *number = numbers + i;
        uint64_t *value = (uint64_t *)(void *)((char *)settings + number->offset);
        *value = number->standard;
        if (control_number(control, number->name, value, number->minimum, number->maximum, error) ==
            CONTROL_ERROR)
            return CONTROL_ERROR;
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct table *table = (struct table *)(void *)((char *)settings + lists[i].offset);
        if (table_load(table, control, lists[i].name, lists[i].parse, error) == CONTROL_ERROR)
            return CONTROL_ERROR;
    }
    if (networks_load(&settings->relayclients, control, "relayclients", 8, 16, error) ==
            CONTROL_ERROR ||
        networks_load(&settings->badclients, control, "badclients", 0, 0, error) == CONTROL_ERROR ||
        role_ports_load(&settings->role_ports, control, error) == CONTROL_ERROR ||
        tarpit_load(&settings->tarpit, control, error) == CONTROL_ERROR ||
        judge_settings_load(&settings->judge, control, error) == CONTROL_ERROR ||
        queue_limits_load(&settings->room, control, error) == CONTROL_ERROR ||
        srs_settings_load(&settings->srs, control, settings->routing.me, error) == CONTROL_ERROR ||
        batv_settings_load(&settings->batv, control, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    settings->tls = has_certificate(control);
    return CONTROL_OK;
}

enum control_result settings_load(struct settings *settings, struct control const *control,
                                  struct control_error *error)
{
    struct settings loaded = {0};
    if (load_all(&loaded, control, error) == CONTROL_ERROR) {
        settings_free(&loaded);
        return CONTROL_ERROR;
    }
    *settings = loaded;
    return CONTROL_OK;
}

void settings_free(struct settings *settings)
{
    routing_free(&settings->routing);
    srs_settings_free(&settings->srs);
    judge_settings_free(&settings->judge);
    batv_settings_free(&settings->batv);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        table_free((struct table *)(void *)((char *)settings + lists[i].offset));
    networks_free(&settings->relayclients);
    networks_free(&settings->badclients);
    free(settings->greeting);
    free(settings->queueprogram);
    settings->greeting = settings->queueprogram = 0;
}
