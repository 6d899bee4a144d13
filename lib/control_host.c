#include "lib/control_host.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/bytestr.h>

#include "lib/address.h"

static bool is_ascii_domain(char const *text, size_t length)
{
    return address_is_domain(text, length, false);
}

enum control_result control_host(char **host, struct control const *control, char const *name,
                                 char const *fallback, struct control_error *error)
{
    stralloc value = STRALLOC_ZERO;
    *host = NULL;
    enum control_result result =
        control_first(control, name, &value, is_ascii_domain, "this host's full name", error);
    if (result == CONTROL_OK)
        *host = strndup(value.s, value.len);
    else if (result == CONTROL_ABSENT)
        *host = strdup(fallback);
    stralloc_free(&value);
    if (result == CONTROL_ERROR)
        return result;
    if (!*host)
        return control_problem(control, name, error, "expected enough memory");
    case_lowers(*host);
    return result;
}

enum control_result control_me(char **me, struct control const *control,
                               struct control_error *error)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) < 0)
        host[0] = 0;
    if (control_host(me, control, "me", host, error) == CONTROL_ERROR)
        return CONTROL_ERROR;
    if (is_ascii_domain(*me, strlen(*me)))
        return CONTROL_OK;
    control_fail_hint(error, "this host's full name", *me, strlen(*me),
                      "the file is absent, and the system's own host name is no domain");
    enum control_result const result = control_problem(control, "me", error, error->text);
    if (result == CONTROL_ERROR) {
        free(*me);
        *me = NULL;
    }
    return result;
}
