/* The command line of sendmail, as its many callers write it: flags may stand together, a value may
 * stand behind its letter or in the next argument. */
#ifndef EKIDEN_SENDMAIL_OPTIONS_H
#define EKIDEN_SENDMAIL_OPTIONS_H

#include <stdbool.h>

#include "lib/dsn.h"

enum sendmail_mode { SENDMAIL_SUBMIT, SENDMAIL_SMTP, SENDMAIL_QUEUE, SENDMAIL_ALIASES };

struct sendmail_options {
    enum sendmail_mode mode;
    bool header_recipients;       /* -t */
    bool ignore_dots;             /* -i, -oi */
    bool body_8bit;               /* -B8BITMIME */
    char const *sender;           /* -f, -r: as given; 0: none */
    char const *name;             /* -F; 0: none */
    unsigned int notify;          /* -N; 0: none */
    struct dsn_message dsn;       /* -R, -V */
    char const *const *arguments; /* the recipients, NULL-terminated */
};

/* Parses ARGV. What does not matter here is passed over; for what cannot be done it dies
 * (tools/problem.h). The mode is not touched without an option for it. */
void sendmail_options_parse(struct sendmail_options *options, char const *const *argv);

#endif
