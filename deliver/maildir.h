/* One message file of a Maildir, from tmp/ to new/: https://cr.yp.to/proto/maildir.html */
#ifndef EKIDEN_MAILDIR_H
#define EKIDEN_MAILDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/mailbox.h"

#define MAILDIR_HOST_MAX 64  /* bytes of the host in a name; longer is cut */
#define MAILDIR_NAME_MAX 184 /* with the size */
#define MAILDIR_TRIES    100 /* names tried when somebody has taken them */

#define MAILDIR_OLD_SECONDS (36 * 3600) /* maildir(5): a file in tmp/ this old was abandoned */
#define MAILDIR_LOOK_MAX    1000        /* names looked at each time */

/* What makes the names of this process unique: time.MusecPpidQcounter.host */
struct maildir_namer {
    unsigned long counter;
    unsigned long process;
    char host[MAILDIR_HOST_MAX + 1];
};

struct maildir_file {
    struct mailbox *mailbox;
    int descriptor; /* -1 once it is closed */
    bool in_new;    /* else in tmp/ */
    uint64_t size;  /* not 0: it is to stand in the name in new/, as `,S=`, for who counts */
    char name[MAILDIR_NAME_MAX + 1];
};

/* HOST is this machine's name; `/` and `:` become \057 and \072, as maildir(5) wants. */
void maildir_namer_start(struct maildir_namer *namer, char const *host);

/* A name that no other file has had. */
void maildir_name(struct maildir_namer *namer, char name[MAILDIR_NAME_MAX + 1]);

/* Creates a file of a new name in tmp/, mode 0600. False: errno, nothing is left. */
bool maildir_create(struct maildir_file *file, struct mailbox *mailbox,
                    struct maildir_namer *namer);

/* Moves the file from tmp/ to new/; never over another file. Not durable before fsync of new/. The
 * file's own bytes must be durable before, or become so with that one (lib/journal.h). False:
 * errno, the file is still in tmp/. */
bool maildir_publish(struct maildir_file *file, struct maildir_namer *namer);

/* Close the file; maildir_remove also removes it from where it is, as well as that can be done. */
void maildir_close(struct maildir_file *file);
void maildir_remove(struct maildir_file *file);

/* Removes what was abandoned in the folder TMP. Best effort: a file that stays is met the next
 * time.
 */
void maildir_remove_old(int tmp, time_t now);

#endif
