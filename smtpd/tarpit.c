#include "smtpd/tarpit.h"

#include <string.h>

#include <skalibs/types.h>

#define COUNT_MAX   1000000
#define SECONDS_MAX 60 /* a client waits five minutes for a reply: RFC 5321 4.5.3.2 */

static bool parse(struct tarpit *tarpit, char const *text, size_t length)
{
    char line[32];
    if (length >= sizeof line)
        return false;
    memcpy(line, text, length);
    line[length] = 0;
    size_t const count = uint64_scan(line, &tarpit->count);
    size_t const blanks = strspn(line + count, " \t");
    return count && blanks && uint640_scan(line + count + blanks, &tarpit->seconds) &&
           tarpit->count <= COUNT_MAX && tarpit->seconds <= SECONDS_MAX;
}

static bool is_tarpit(char const *text, size_t length)
{
    struct tarpit tarpit;
    return parse(&tarpit, text, length);
}

enum control_result tarpit_load(struct tarpit *tarpit, struct control const *control,
                                struct control_error *error)
{
    stralloc value = STRALLOC_ZERO;
    enum control_result const result =
        control_first(control, "tarpit", &value, is_tarpit,
                      "a number of unknown recipients, and of seconds up to 60", error);
    *tarpit = (struct tarpit){.seconds = 0};
    if (result == CONTROL_OK)
        (void)parse(tarpit, value.s, value.len);
    stralloc_free(&value);
    return result;
}
