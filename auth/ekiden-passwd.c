/* ekiden-passwd: the logins and passwords of those who may send mail.
 *
 * A password comes from the terminal or from standard input, never from the command line, which
 * everybody on the machine can read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>

#include "auth/hash.h"
#include "auth/login.h"
#include "auth/password_file.h"
#include "auth/passwords.h"
#include "auth/terminal.h"
#include "configured.h"
#include "lib/log.h"
#include "lib/privilege.h"

#define USAGE "ekiden-passwd [ -C control ] add|change|remove|check NAME, or list"

enum {
    EXIT_DONE = 0,
    EXIT_NOT = 1,     /* check: wrong; add: there already; others: not there */
    EXIT_USAGE = 100, /* also what is refused: a name, a password, a mode */
    EXIT_TEMPORARY = 111
};

static struct passwords passwords = {.folder = {.directory = -1}};

static _Noreturn void die(int code, char const *text)
{
    fprintf(stderr, "ekiden-passwd: %s\n", text);
    exit(code);
}

/* Who owns what this program makes: as root ekiden-auth's user, or, in a control folder that
 * belongs to somebody else (a server of one user), that one. */
static void find_owner(struct privilege_user *owner, struct control const *control)
{
    struct stat status;
    if (fstat(control->directory, &status) != 0)
        die(EXIT_TEMPORARY, strerror(errno));
    *owner = (struct privilege_user){"the owner", status.st_uid, status.st_gid};
    if ((!privilege_is_root() || status.st_uid == 0) &&
        !privilege_find(owner, CONFIGURED_USER_AUTH))
        exit(EXIT_USAGE);
}

static void make_folder(struct control const *control)
{
    struct privilege_user owner;
    find_owner(&owner, control);
    if (mkdirat(control->directory, PASSWORDS_FOLDER, 0700) != 0 && errno != EEXIST)
        die(EXIT_TEMPORARY, errno == EACCES ? "this user may not make the folder auth; ask as root"
                                            : strerror(errno));
    int const folder = openat(control->directory, PASSWORDS_FOLDER,
                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (folder < 0 || fstat(folder, &status) != 0 ||
        (status.st_uid != geteuid() && status.st_uid != owner.uid))
        die(EXIT_TEMPORARY, "somebody else has made the folder auth at the same time");
    if ((privilege_is_root() && fchown(folder, owner.uid, owner.gid) != 0) ||
        fsync(control->directory) != 0)
        die(EXIT_TEMPORARY, strerror(errno));
    close(folder);
}

/* Becomes the folder's owner: what is written is its, and a link or a file in the place of another
 * one, which that user could make, leads nowhere. */
static void become_owner(void)
{
    struct stat status;
    struct privilege_user owner = {.name = "the owner"};
    if (fstat(passwords.folder.directory, &status) != 0)
        die(EXIT_TEMPORARY, strerror(errno));
    owner.uid = status.st_uid;
    owner.gid = status.st_gid;
    if (privilege_is_root() && owner.uid == 0) {
        fprintf(
            stderr,
            "ekiden-passwd: %s belongs to root, so ekiden-auth cannot read it: chown -R %s it\n",
            passwords.path, CONFIGURED_USER_AUTH);
        exit(EXIT_USAGE);
    }
    privilege_drop(&owner, NULL);
}

static void open_folder(char const *path, bool make)
{
    struct control control;
    struct control_error error;
    if (control_open(&control, path, &error) != CONTROL_OK)
        die(EXIT_USAGE, error.text);
    enum control_result result = passwords_open(&passwords, &control, &error);
    if (result == CONTROL_ABSENT && make) {
        make_folder(&control);
        result = passwords_open(&passwords, &control, &error);
    }
    if (result == CONTROL_ERROR)
        die(EXIT_USAGE, error.text);
    control_close(&control);
    if (result == CONTROL_OK)
        become_owner();
}

static void load(void)
{
    struct control_error error;
    if (passwords.folder.directory >= 0 && passwords_load(&passwords, &error) == CONTROL_ERROR)
        die(EXIT_USAGE, error.text);
}

static void read_password(char *password, bool twice)
{
    char const *why = NULL;
    enum terminal_result const result = terminal_password(password, twice, &why);
    if (result == TERMINAL_REFUSED)
        die(EXIT_USAGE, why);
    if (result == TERMINAL_FAILED)
        die(EXIT_TEMPORARY, errno ? strerror(errno) : "no password came");
}

/* --- the commands --- */

static int change(enum password_change kind, char const *login)
{
    char password[PASSWORD_MAX + 1], hash[HASH_MAX];
    struct control_error error;
    if (passwords.folder.directory < 0)
        die(EXIT_NOT, "there is no such login");
    if (kind != PASSWORD_REMOVE) {
        read_password(password, true);
        bool const made = hash_make(hash, password);
        int const saved = errno;
        explicit_bzero(password, sizeof password);
        if (!made)
            die(EXIT_TEMPORARY, strerror(saved));
    }
    switch (password_file_change(&passwords, kind, login, hash, &error)) {
    case PASSWORD_FILE_OK:
        return EXIT_DONE;
    case PASSWORD_FILE_THERE:
        die(EXIT_NOT,
            "this login is there already; ekiden-passwd change gives it another password");
    case PASSWORD_FILE_ABSENT:
        die(EXIT_NOT, "there is no such login");
    case PASSWORD_FILE_FAILED:
    default:
        die(EXIT_TEMPORARY, error.text);
    }
}

static int check(char const *login)
{
    char password[PASSWORD_MAX + 1], hash[HASH_MAX];
    struct control_error error;
    load();
    enum passwords_found const found = passwords_find(&passwords, login, hash, &error);
    if (found == PASSWORDS_UNKNOWN)
        die(EXIT_NOT, "there is no such login");
    if (found == PASSWORDS_REFUSED)
        die(EXIT_NOT, error.text);
    read_password(password, false);
    enum hash_result const result = hash_check(password, hash);
    int const saved = errno;
    explicit_bzero(password, sizeof password);
    if (result == HASH_FAILED)
        die(EXIT_TEMPORARY, strerror(saved));
    puts(result == HASH_RIGHT ? "right" : "wrong");
    return result == HASH_RIGHT ? EXIT_DONE : EXIT_NOT;
}

static bool show(void *context, char const *line, size_t length, unsigned int number,
                 struct control_error *error)
{
    bool *const all_good = context;
    char login[LOGIN_MAX + 1];
    char const *hash;
    size_t hash_length;
    (void)error;
    if (!passwords_split(login, &hash, &hash_length, line, length)) {
        fprintf(stderr, "ekiden-passwd: %s/%s:%u: expected LOGIN:HASH; nobody can log in by it\n",
                passwords.path, PASSWORDS_FILE, number);
        *all_good = false;
        return true;
    }
    char const *const refusal = hash_refusal(hash, hash_length);
    printf("%s %s\n", login, hash_kind(hash, hash_length));
    if (refusal && *hash != '!' && *hash != '*') {
        fprintf(stderr, "ekiden-passwd: %s/%s:%u: %s\n", passwords.path, PASSWORDS_FILE, number,
                refusal);
        *all_good = false;
    }
    return true;
}

static int list(void)
{
    struct control_error error;
    bool all_good = true;
    load();
    if (passwords.folder.directory >= 0 &&
        control_lines(&passwords.folder, PASSWORDS_FILE, show, &all_good, &error) == CONTROL_ERROR)
        die(EXIT_USAGE, error.text);
    if (fflush(stdout) != 0)
        die(EXIT_TEMPORARY, "standard output cannot be written to");
    return all_good ? EXIT_DONE : EXIT_NOT;
}

static struct command {
    char const *name;
    bool has_login, makes_folder;
} const commands[] = {
    {"add", true, true},    {"change", true, false}, {"remove", true, false},
    {"check", true, false}, {"list", false, false},
};

int main(int argc, char const *const *argv)
{
    char const *control = CONFIGURED_CONTROL;
    char login[LOGIN_MAX + 1] = "";
    struct command const *command = NULL;
    subgetopt options = SUBGETOPT_ZERO;
    log_start("ekiden-passwd");
    for (int option; (option = subgetopt_r(argc, argv, "C:", &options)) >= 0;) {
        if (option != 'C')
            die(EXIT_USAGE, "usage: " USAGE);
        control = options.arg;
    }
    argc -= options.ind;
    argv += options.ind;
    for (size_t i = 0; argc > 0 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[0], commands[i].name) == 0)
            command = &commands[i];
    if (!command || argc != 1 + command->has_login)
        die(EXIT_USAGE, "usage: " USAGE);
    if (command->has_login && !login_read(login, argv[1], strlen(argv[1])))
        die(EXIT_USAGE, "a login name has 1 to 255 bytes, no blanks, colons or control characters, "
                        "and does not begin with #");
    umask(077);
    open_folder(control, command->makes_folder);
    if (!strcmp(command->name, "check"))
        return check(login);
    if (!strcmp(command->name, "list"))
        return list();
    return change(!strcmp(command->name, "add")      ? PASSWORD_ADD
                  : !strcmp(command->name, "change") ? PASSWORD_CHANGE
                                                     : PASSWORD_REMOVE,
                  login);
}
