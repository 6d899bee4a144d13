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

/* Drops to USER for good: empty supplementary groups, gid, uid, no capabilities, no_new_privs, not
 * dumpable, no core file; then checks that uid 0 cannot be regained. ROOT, when not 0, is chrooted
 * into first. A death signal that was set stays set. When not root: no_new_privs and the rest
 * without the change of user. Dies with exit 111 after logging when anything fails. */
void privilege_drop(struct privilege_user const *user, char const *root);

/* Dies with exit 100 when this process runs as uid 0: called by each program that faces the
 * network, before its first untrusted byte. */
void privilege_refuse_root(void);

#endif
