/* The file maildirsize of a Maildir++: what a mailbox may hold, and what came to it and left it.
 *
 *   10000000S,1000C       the quota: bytes, messages; either, both, or none
 *   BYTES MESSAGES        one line a change; with a minus for what left
 * Courier's specification (README.maildirquota), which Dovecot, Exim and others follow. */
#ifndef EKIDEN_MAILDIR_LEDGER_H
#define EKIDEN_MAILDIR_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAILDIR_LEDGER_MAX  5120 /* bytes: a longer one is made anew */
#define MAILDIR_LIMIT_SIZE  48   /* of the quota as text, its NUL included */
#define MAILDIR_CHANGE_SIZE 48
/* Of a quota and of what is used: of what is larger the sums need not be thought about. */
#define MAILDIR_USAGE_MAX (INT64_C(1) << 60)

struct maildir_limit {
    uint64_t bytes, messages; /* 0: any */
};

struct maildir_usage {
    int64_t bytes, messages;
};

struct maildir_ledger {
    struct maildir_limit limit;
    struct maildir_usage used;
    size_t changes; /* lines */
};

/* Reads a quota: numbers with S (bytes) or C (messages) behind them, separated by commas; as an
 * operator writes it the S may be missing, and K, M, G or T stand before it. False: it is none. */
bool maildir_limit_parse(char const *text, size_t length, struct maildir_limit *limit);

/* Writes it as it stands in the file. */
void maildir_limit_format(char text[MAILDIR_LIMIT_SIZE], struct maildir_limit const *limit);

/* Writes a line, with its LF; 14 bytes where it fits, as Courier does. Returns its length. */
size_t maildir_change_format(char text[MAILDIR_CHANGE_SIZE], struct maildir_usage const *change);

/* Reads the whole file. False: it is not of the form, or its sum is negative. */
bool maildir_ledger_parse(char const *bytes, size_t length, struct maildir_ledger *ledger);

/* True when MORE fits besides what is USED. */
bool maildir_limit_allows(struct maildir_limit const *limit, struct maildir_usage const *used,
                          struct maildir_usage const *more);

#endif
