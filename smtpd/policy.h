/* Who may do what: each decision as a value, so that it can be answered, logged and explained
 * from the same row. Nothing here speaks to the client. */
#ifndef EKIDEN_POLICY_H
#define EKIDEN_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"
#include "smtpd/connection.h"
#include "smtpd/reply.h"

enum policy_rule {
    /* accepted */
    POLICY_WELCOME,    /* nothing speaks against it */
    POLICY_POSTMASTER, /* postmaster without a domain (RFC 5321 4.5.1) */
    POLICY_RCPTHOSTS,  /* the domain is in rcpthosts, the mailbox exists or is another server's */
    POLICY_MORERCPTHOSTS,
    POLICY_RELAYCLIENTS, /* the client's address is in relayclients */
    POLICY_RELAYCLIENT,  /* tcprules set RELAYCLIENT */
    POLICY_LOGIN,        /* the client has logged in */
    POLICY_SRS,          /* a rewritten sender of ours: goes on to whom it stands for */
    POLICY_BATV,         /* bounce_policy.h: a signature was taken off */
    POLICY_BATVEXEMPT,   /* the same: the recipient's mail is not signed */
    /* refused */
    POLICY_BADCLIENTS,
    POLICY_BADMAILFROM,
    POLICY_BADHELO,
    POLICY_BADRCPTTO,
    POLICY_SENDER_WITHOUT_DOMAIN,
    POLICY_NULL_RECIPIENT,
    POLICY_RECIPIENT_WITHOUT_DOMAIN,
    POLICY_NO_SUCH_MAILBOX,
    POLICY_FOREIGN_LITERAL, /* an address literal that does not name us */
    POLICY_NO_RELAY,        /* neither our domain nor our client */
    POLICY_SRS_INVALID,     /* looks like a rewritten sender of ours, but is none, or too old */
    POLICY_SRS_UNUSABLE,    /* the keys cannot be read: the operator has to mend that */
    POLICY_BATV_INVALID,    /* looks like a signed sender of ours, but is none, or too old */
    POLICY_BATV_UNUSABLE,   /* the keys cannot be read: the operator has to mend that */
    POLICY_BATVCHECK,       /* a report on mail that did not leave from here */
    /* refused to users only (RFC 6409) */
    POLICY_SENDER_INCOMPLETE,    /* its domain is a name without a dot that is not ours */
    POLICY_RECIPIENT_INCOMPLETE, /* the same */
    POLICY_SENDER_FOREIGN,       /* the login may not send as that */
    POLICY_FROM_SYNTAX,          /* the header From cannot be read, or names nobody */
    POLICY_FROM_NUMBER,          /* there is none, or several */
    POLICY_FROM_FOREIGN          /* the login may not write as that */
};

/* The rule as one word for the log: the control file's name where there is one. */
char const *policy_name(enum policy_rule rule);

bool policy_accepts(enum policy_rule rule);

/* Where RULE, by which was refused last, stands: `FILE:LINE`, or `FILE` where no line in particular
 * says so; empty where no control file does. Of one process's session. */
char const *policy_place(enum policy_rule rule);

/* The reply to a refusal. */
void policy_reply(enum policy_rule rule, struct reply *reply);

/* May this client connect? */
enum policy_rule policy_connect(struct connection const *connection);

/* A client that is trusted: who sent it and in whose name it speaks is not judged. Everybody is who
 * is not on port 25: there it is the login that counts. */
bool policy_is_exempt(struct connection const *connection);

/* May a client say HELO or EHLO with NAME? Clients that are exempt may say what they like. */
enum policy_rule policy_hello(struct connection const *connection, char const *name, size_t length);

/* May SENDER (length 0: the null sender) send here? LOGIN is who has logged in; empty: nobody. */
enum policy_rule policy_sender(struct connection const *connection, char const *login,
                               struct address const *sender);

/* A recipient as it enters the envelope: 320 octets, or localiphost for its literal, and qmail's
 * suffix for relay clients. */
#define POLICY_RECIPIENT_MAX (ADDRESS_MAX + 1 + ADDRESS_DOMAIN_MAX + 256)

struct policy_recipient {
    size_t length;
    char bytes[POLICY_RECIPIENT_MAX + 1]; /* NUL-terminated */
};

/* May mail for ADDRESS enter here? BOUNCE says that it comes from the null sender. RECIPIENT is
 * filled in when it may. Our own literal in ADDRESS is replaced by localiphost first, and the
 * signature of one of ours (lib/batv.h) taken off: who looks at it afterwards sees whose it is. */
enum policy_rule policy_recipient(struct connection const *connection, char const *login,
                                  bool bounce, struct address *address,
                                  struct policy_recipient *recipient);

#endif
