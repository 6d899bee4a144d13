/* `authroutes`: user and password for other servers, by the reference that smtproutes has.
 *
 *   REFERENCE:USER:PASSWORD
 * A password may hold colons and blanks, but none at its ends. Nobody but the file's owner may be
 * able to read the file. Nothing of it is ever logged: it is not even quoted in an error. */
#ifndef EKIDEN_REMOTE_CREDENTIALS_H
#define EKIDEN_REMOTE_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/control.h"

struct remote_credentials {
    char *bytes; /* owned: the file, cut into strings; NULL: none */
    size_t size;
    bool refused; /* the file cannot be used, and the log says why */
};

/* Loads the file. One that others may read, or that we may not, is logged and counts as refused:
 * the mail that needs no password goes on. A malformed one is CONTROL_ERROR. On CONTROL_ERROR
 * *credentials is untouched. */
enum control_result remote_credentials_load(struct remote_credentials *credentials,
                                            struct control const *control,
                                            struct control_error *error);

/* Points *user and *password at what REFERENCE stands for. False when it is not there. */
bool remote_credentials_find(struct remote_credentials const *credentials, char const *reference,
                             char const **user, char const **password);

/* Wipes and forgets all but those of REFERENCE; all of them when it is empty. Pointers found before
 * are of no more use. */
void remote_credentials_keep(struct remote_credentials *credentials, char const *reference);

/* Wipes and frees. */
void remote_credentials_free(struct remote_credentials *credentials);

#endif
