/* Users and the way down to them. Privilege is only ever dropped, never regained. */
#ifndef EKIDEN_PRIVILEGE_H
#define EKIDEN_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

struct privilege_user {
    char const *name; /* as given */
    uid_t uid;
    gid_t gid;
};

/* True when this process is root and so must drop. Run by anybody else, every program serves as
 * that one user (demonstration, tests, containers). */
bool privilege_is_root(void);

/* Looks NAME up in /etc/passwd (read directly: a name service does not belong into a static program
 * nor on a connection's path). When none of Ekiden's users exist, `nobody` stands in for all of
 * them, so that `quickstart` works for root too. False, after logging what to do, when the user is
 * missing or has uid 0. Not root: fills in the calling user. */
bool privilege_find(struct privilege_user *user, char const *name);

/* The uid of NAME in /etc/passwd, whoever runs this. False: there is none. */
bool privilege_uid(char const *name, uid_t *uid);

/* Drops to USER for good: empty supplementary groups, gid, uid, no capabilities, no_new_privs, not
 * dumpable, no core file; then checks that uid 0 cannot be regained. ROOT, when not 0, is chrooted
 * into first. A death signal that was set stays set. When not root: no_new_privs and the rest
 * without the change of user. Dies with exit 111 after logging when anything fails. */
void privilege_drop(struct privilege_user const *user, char const *root);

/* For root's program that drops to one user after another: keeps uid 0 with CAP_SETUID and
 * CAP_SETGID and no other capability, through the next execve as well; no supplementary groups.
 * no_new_privs only where CAP_SETPCAP is missing, because users' programs inherit it. Not root:
 * nothing. Dies with exit 111 after logging when anything fails. */
void privilege_keep_changing_users(void);

/* Dies with exit 100 when this process runs as uid 0: called by each program that faces the
 * network, before its first untrusted byte. */
void privilege_refuse_root(void);

#endif
