/* What comes on descriptor 3, and lines of the file of passwords: parsed within bounds; a name is
 * never cut, and a login that is accepted is one in lower case. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/credentials.h"
#include "auth/hash.h"
#include "auth/login.h"
#include "auth/passwords.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void check_login(char const *login)
{
    char again[LOGIN_MAX + 1];
    check(login_read(again, login, strlen(login)) && !strcmp(login, again));
    check(!strpbrk(login, ": \t\r\n") && *login != '#');
}

static void parse_credentials(uint8_t const *bytes, size_t size)
{
    struct credentials *const credentials = malloc(sizeof *credentials);
    char login[LOGIN_MAX + 1];
    check(credentials != NULL);
    credentials->length = size < CREDENTIALS_MAX ? size : CREDENTIALS_MAX;
    memcpy(credentials->bytes, bytes, credentials->length);
    if (credentials_parse(credentials) == CREDENTIALS_OK) {
        check(credentials->name == credentials->bytes);
        check(credentials->password == credentials->name + strlen(credentials->name) + 1);
        check(credentials->password + strlen(credentials->password) <
              credentials->bytes + credentials->length);
        if (login_read(login, credentials->name, strlen(credentials->name)))
            check_login(login);
    }
    if (credentials_parse_budget(credentials) == CREDENTIALS_OK)
        check(credentials->recipients <= CREDENTIALS_RECIPIENTS);
    free(credentials);
}

static void parse_line(char const *line, size_t length)
{
    char login[LOGIN_MAX + 1];
    char const *hash;
    size_t hash_length;
    struct table_entry entry;
    struct control_error error;
    check(passwords_parse(line, length, &entry, &error));
    check(entry.key_length <= TABLE_KEY_MAX && entry.key_length > 0);
    if (!passwords_split(login, &hash, &hash_length, line, length))
        return;
    check_login(login);
    check(hash > line && hash + hash_length == line + length);
    if (!hash_refusal(hash, hash_length))
        check(hash_length < HASH_MAX && *hash == '$');
    check(*hash_kind(hash, hash_length) != 0);
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size)
{
    char *const line = malloc(size + 1);
    check(line != NULL);
    memcpy(line, bytes, size);
    parse_credentials(bytes, size);
    if (size > 0 && size <= CONTROL_LINE_MAX)
        parse_line(line, size);
    free(line);
    return 0;
}
