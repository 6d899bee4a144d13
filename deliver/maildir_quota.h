/* The quota of a Maildir: kept by its file maildirsize, as the specification of Maildir++ has it.
 *
 * The file is a count that may be wrong: programs that do not know it delete mail, a crash loses a
 * line, two agents add at once. So before a message is refused, the mail itself is counted, unless
 * that was done less than MAILDIR_QUOTA_SECONDS ago and no folder has changed since. It is counted
 * anew as well when the file is long, is not there, or says another quota than the operator.
 *
 * Counted are the messages in new/ and cur/ of the mailbox and all its folders (.NAME/), .Trash and
 * what is marked as deleted included: as Dovecot counts, and as the disk does. */
#ifndef EKIDEN_MAILDIR_QUOTA_H
#define EKIDEN_MAILDIR_QUOTA_H

#include "deliver/maildir.h"
#include "deliver/maildir_ledger.h"

#define MAILDIR_QUOTA_SECONDS 900

/* Opens the folder whose maildirsize counts for MAILDIR: itself, or the one above it when it is a
 * folder of a mailbox (it has a file maildirfolder). The caller closes it. -1: errno. */
int maildir_quota_root(int maildir);

/* The quota that the maildirsize of ROOT says. False: there is none, or it cannot be read. */
bool maildir_quota_own(int root, struct maildir_limit *limit);

/* True when MORE fits into the mailbox ROOT of LIMIT. Also where that cannot be found out, which is
 * logged: it is no reason to refuse mail. */
bool maildir_quota_allows(int root, struct maildir_limit const *limit,
                          struct maildir_usage const *more, struct maildir_namer *namer);

/* MORE has come into the mailbox. Best effort. */
void maildir_quota_add(int root, struct maildir_usage const *more);

#endif
