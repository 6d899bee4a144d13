/* Changes to the file of passwords, as ekiden-passwd makes them. Comments, order and whatever else
 * stands in it stay as they are. The new file is complete and durable before it takes the place of
 * the old one. */
#ifndef EKIDEN_PASSWORD_FILE_H
#define EKIDEN_PASSWORD_FILE_H

#include "auth/passwords.h"

enum password_change { PASSWORD_ADD, PASSWORD_CHANGE, PASSWORD_REMOVE };

enum password_file_result {
    PASSWORD_FILE_OK,
    PASSWORD_FILE_THERE,  /* to be added, and there already */
    PASSWORD_FILE_ABSENT, /* to be changed or removed, and not there */
    PASSWORD_FILE_FAILED  /* ERROR says why */
};

/* Makes CHANGE for LOGIN (in lower case); HASH is the new one, NULL to remove. Waits while somebody
 * else changes the file. The folder is open and judged. */
enum password_file_result password_file_change(struct passwords const *passwords,
                                               enum password_change change, char const *login,
                                               char const *hash, struct control_error *error);

#endif
