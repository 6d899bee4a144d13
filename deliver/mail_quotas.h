/* Control file `mailquota`: what the mailboxes of virtual users may hold.
 *
 *   QUOTA            for all that have no line of their own
 *   MAILBOX:QUOTA    for one: its folder below the mail root, or NAME@DOMAIN as in `users`
 * QUOTA as in deliver/maildir_ledger.h; 0 is none. */
#ifndef EKIDEN_MAIL_QUOTAS_H
#define EKIDEN_MAIL_QUOTAS_H

#include <sys/stat.h>

#include "deliver/maildir_ledger.h"
#include "lib/control.h"
#include "lib/table.h"

struct mail_quotas {
    struct control const *control; /* the caller's; NULL: there is none */
    struct table table;
    struct stat seen; /* the file when it was read; st_ino 0: it was not there */
};

/* Reads the file. Malformed, it is logged and counts as empty: mail is delivered. */
void mail_quotas_start(struct mail_quotas *quotas, struct control const *control);
void mail_quotas_free(struct mail_quotas *quotas);

/* Reads it anew when it has changed; one that is malformed now is logged, and the last good one
 * stays. */
void mail_quotas_refresh(struct mail_quotas *quotas);

/* The quota of the mailbox in the folder PATH. False: it has none. */
bool mail_quotas_find(struct mail_quotas const *quotas, char const *path,
                      struct maildir_limit *limit);

#endif
