#include "auth/login.h"

#include <string.h>

#include <skalibs/bytestr.h>

#include "lib/utf8.h"

bool login_read(char *login, char const *name, size_t length)
{
    if (length == 0 || length > LOGIN_MAX || *name == '#')
        return false;
    for (size_t i = 0; i < length;) {
        size_t const octets = utf8_next(name + i, length - i);
        if (octets == 0 || name[i] == ' ' || name[i] == ':')
            return false;
        i += octets;
    }
    memcpy(login, name, length);
    login[length] = 0;
    case_lowerb(login, length);
    return true;
}
