/* What ekiden-smtpd found right last, for the judges that it starts, in a memory file that nobody
 * can write to any more. So a control file that becomes wrong while the server runs changes
 * nothing, for whichever process is started when; and a session's judge parses nothing.
 *
 * Not in it: the name servers. Without `nameservers` they are those of /etc/resolv.conf, which
 * changes by itself. */
#ifndef EKIDEN_JUDGE_IMAGE_H
#define EKIDEN_JUDGE_IMAGE_H

#include <stdbool.h>

#include "judge/judge_settings.h"

/* Makes one; a descriptor, close-on-exec, or -1 with errno. */
int judge_image_make(struct judge_settings const *settings);

/* Reads it. False: it is another version's, or none; *settings is untouched. On true it is
 * overwritten, and to be freed by judge_settings_free. */
bool judge_image_take(struct judge_settings *settings, int descriptor);

#endif
