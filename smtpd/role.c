#include "smtpd/role.h"

#include <string.h>

static char const *const names[] = {
    [ROLE_MX] = "mx", [ROLE_SUBMISSION] = "submission", [ROLE_SUBMISSIONS] = "submissions"};

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
