/* What completes a message: who sends it, and the parts of addresses that were left out. From the
 * environment, as qmail-inject reads it, the control files and /etc/passwd. None of it is a proof
 * of anything: the injector's Received field has the uid. */
#ifndef EKIDEN_SENDER_NAMES_H
#define EKIDEN_SENDER_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/stralloc.h>

/* Letters of QMAILINJECT. */
enum sender_flags {
    SENDER_COMMENT_NAME = 1,    /* c: From: user@host (Name) */
    SENDER_OWN_FROM = 2,        /* f: a From that is there is removed */
    SENDER_OWN_ID = 4,          /* i: so is a Message-ID */
    SENDER_PER_RECIPIENT = 8,   /* r: user-recipient=host@host */
    SENDER_PER_MESSAGE = 16,    /* m: user-time.pid@host */
    SENDER_NOT_RETURN_PATH = 32 /* s: Return-Path does not name the envelope sender */
};

struct sender_names {
    /* All NUL-terminated. */
    char const *user, *host;               /* of From */
    char const *sender_user, *sender_host; /* of the envelope */
    char const *name;                      /* 0: none */
    char const *default_host, *default_domain, *plus_domain, *id_host;
    unsigned int flags;
};

/* The control files that it reads, each a host's name; ended by 0. */
extern char const *const sender_names_files[];

/* Reads all of it; CONTROL is the folder of the control files. Dies (tools/problem.h) when a file
 * is malformed. */
void sender_names_read(struct sender_names *names, char const *control);

/* Appends DOMAIN as it is meant: none, and `localhost`, is default_host; one without a dot gets
 * default_domain; a `+` at its end stands for plus_domain. Dies when out of memory. */
void sender_names_domain(stralloc *out, struct sender_names const *names, char const *domain,
                         size_t length);

#endif
