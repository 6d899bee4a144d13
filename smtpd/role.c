#include "smtpd/role.h"

#include <string.h>

#include <skalibs/types.h>

static char const *const names[] = {
    [ROLE_MX] = "mx", [ROLE_SUBMISSION] = "submission", [ROLE_SUBMISSIONS] = "submissions"};

static struct role_ports const standard = {.entries = {{25, ROLE_MX},
                                                       {587, ROLE_SUBMISSION},
                                                       {2525, ROLE_SUBMISSION},
                                                       {465, ROLE_SUBMISSIONS}},
                                           .count = 4};

bool role_parse(enum role *role, char const *text, size_t length)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (length == strlen(names[i]) && memcmp(text, names[i], length) == 0) {
            *role = (enum role)i;
            return true;
        }
    return false;
}

char const *role_name(enum role role)
{
    return names[role];
}

static struct role_port const *find(struct role_ports const *ports, uint16_t port)
{
    for (size_t i = 0; i < ports->count; i++)
        if (ports->entries[i].port == port)
            return ports->entries + i;
    return NULL;
}

static bool add_line(void *context, char const *line, size_t length, unsigned int number,
                     struct control_error *error)
{
    static char const expected[] = "PORT:ROLE, with mx, submission or submissions as the role";
    struct role_ports *const ports = context;
    char text[USHORT_FMT + 1];
    struct role_port entry;
    char const *const colon = memchr(line, ':', length);
    size_t const digits = colon ? (size_t)(colon - line) : 0;
    (void)number;
    if (!colon || digits >= sizeof text || !role_parse(&entry.role, colon + 1, length - digits - 1))
        return control_fail(error, expected, line, length);
    memcpy(text, line, digits);
    text[digits] = 0;
    if (!ushort0_scan(text, &entry.port) || entry.port == 0)
        return control_fail(error, expected, line, length);
    if (find(ports, entry.port))
        return control_fail_hint(error, "each port once", line, length, NULL);
    if (ports->count == ROLE_PORTS_MAX)
        return control_fail_hint(error, "at most 64 ports", line, length, NULL);
    ports->entries[ports->count++] = entry;
    return true;
}

enum control_result role_ports_load(struct role_ports *ports, struct control const *control,
                                    struct control_error *error)
{
    ports->count = 0;
    enum control_result const result = control_lines(control, "portroles", add_line, ports, error);
    if (result == CONTROL_ABSENT)
        *ports = standard;
    return result;
}

enum role role_of_port(struct role_ports const *ports, uint16_t port)
{
    struct role_port const *const entry = find(ports ? ports : &standard, port);
    return entry ? entry->role : ROLE_MX;
}
