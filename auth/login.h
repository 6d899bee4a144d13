/* Login names. */
#ifndef EKIDEN_LOGIN_H
#define EKIDEN_LOGIN_H

#include <stdbool.h>
#include <stddef.h>

#define LOGIN_MAX 255 /* bytes */

/* Writes the login name NAME of LENGTH bytes to LOGIN, its ASCII letters in lower case, with a NUL;
 * LOGIN has room for LOGIN_MAX + 1 bytes. False for what is no login name: it is empty or too long,
 * holds a blank, a colon, a control character or malformed UTF-8, or begins with `#`, which would
 * be a comment in the file. */
bool login_read(char *login, char const *name, size_t length);

#endif
