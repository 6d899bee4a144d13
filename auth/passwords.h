/* The database of passwords: `auth/passwords` in the control folder, lines LOGIN:HASH.
 *
 * Only its owner may have any right to the folder and the file. A line that is none concerns nobody
 * but the login that it names: one slip of an editor does not lock all users out. */
#ifndef EKIDEN_PASSWORDS_H
#define EKIDEN_PASSWORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "auth/hash.h"
#include "auth/login.h"
#include "lib/control.h"
#include "lib/table.h"

#define PASSWORDS_FOLDER   "auth"
#define PASSWORDS_FILE     "passwords"
#define PASSWORDS_PATH_MAX 4096

struct passwords {
    struct control folder;
    char path[PASSWORDS_PATH_MAX]; /* of the folder, for messages */
    struct table table;
};

/* Splits LINE, of LENGTH bytes without blanks around it, at its first colon. *login has LOGIN_MAX +
 * 1 bytes. False when there is no colon or no login name before it. */
bool passwords_split(char *login, char const **hash, size_t *hash_length, char const *line,
                     size_t length);

/* For table_load: the login is the key, the hash the value; a hash that is not accepted is the
 * value all the same, and a line that has no login is kept under a key that nobody has. */
table_parse_func passwords_parse;

/* Opens the folder; *passwords stays where it is from then on. ABSENT: there is none. ERROR also
 * when others than the owner have a right to it. */
enum control_result passwords_open(struct passwords *passwords, struct control const *control,
                                   struct control_error *error);

/* The same test of the folder, or of the file (NAME), whose status is STATUS. */
enum control_result passwords_judge(struct passwords const *passwords, char const *name,
                                    struct stat const *status, struct control_error *error);

/* Reads the file. ABSENT: there is none, nobody has a password. */
enum control_result passwords_load(struct passwords *passwords, struct control_error *error);

enum passwords_found {
    PASSWORDS_FOUND,
    PASSWORDS_UNKNOWN,
    PASSWORDS_REFUSED /* the login is there, its hash is not accepted: ERROR names the line */
};

/* Writes to HASH what a password of LOGIN is to be compared with. Unless FOUND it is another hash
 * of the file, the first that is accepted, or HASH_DUMMY: nobody's, to take the same time. */
enum passwords_found passwords_find(struct passwords const *passwords, char const *login,
                                    char hash[HASH_MAX], struct control_error *error);

#endif
