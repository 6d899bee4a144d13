/* The control file `checks`: what to do when a client, its name or a sender looks wrong, a rule a
 * line:
 *
 *   RULE off|log|defer|refuse
 *
 * What the rules mean is in ekiden-control(5). Used by the dialogue and by ekiden-judge. */
#ifndef EKIDEN_CHECKS_H
#define EKIDEN_CHECKS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/control.h"

enum check_rule {
    CHECK_REVERSE_DNS,  /* reverse-dns: the client's address has no name (PTR) */
    CHECK_FORWARD_DNS,  /* forward-dns: no name of it leads back to the address */
    CHECK_HELO_US,      /* helo-us: it says that it is this host */
    CHECK_HELO_SYNTAX,  /* helo-syntax: neither domain nor address literal (RFC 5321 4.1.2) */
    CHECK_HELO_DNS,     /* helo-dns: the name has neither A, AAAA nor MX */
    CHECK_SENDER_DNS,   /* sender-dns: the sender's domain has neither MX, A nor AAAA, or a null MX
                         */
    CHECK_EARLY_TALKER, /* early-talker: spoke before our greeting */
    CHECK_PIPELINING,   /* pipelining: did not wait where RFC 2920 wants it */
    CHECK_RULES
};

enum check_action { CHECK_OFF, CHECK_LOG, CHECK_DEFER, CHECK_REFUSE };

struct checks {
    struct check {
        enum check_action action;
        unsigned int line; /* that says so; 0: none */
    } rules[CHECK_RULES];
};

/* Loads the file. Without it all rules are off. On CONTROL_ERROR *checks is untouched. */
enum control_result checks_load(struct checks *checks, struct control const *control,
                                struct control_error *error);

/* The rule as it stands in the file: also its name in log and replies. */
char const *checks_name(enum check_rule rule);

/* True when one of the COUNT rules is on. */
bool checks_any(struct checks const *checks, enum check_rule const *rules, size_t count);

#define CHECKS_PLACE_SIZE sizeof "checks:4294967295"

/* `checks:LINE`; empty for a rule that no line turned on. Returns TEXT. */
char const *checks_place(char text[static CHECKS_PLACE_SIZE], struct checks const *checks,
                         enum check_rule rule);

#endif
