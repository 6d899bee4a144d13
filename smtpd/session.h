/* What one SMTP session knows, and how it answers. Shared by the dialogue's own modules only. */
#ifndef EKIDEN_SESSION_H
#define EKIDEN_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/log.h"
#include "smtpd/arrival.h"
#include "smtpd/command.h"
#include "smtpd/input.h"
#include "smtpd/judgement.h"
#include "smtpd/policy.h"
#include "smtpd/reply.h"
#include "smtpd/spf_identities.h"
#include "smtpd/stream.h"
#include "smtpd/submit.h"
#include "smtpd/transaction.h"

#define SESSION_HELO_MAX  255 /* octets: RFC 5321 4.5.3.1.2 */
#define SESSION_LOGIN_MAX 255 /* octets */

enum session_end {
    SESSION_GOES_ON,
    SESSION_QUIT,    /* as RFC 5321 wants it */
    SESSION_CLOSED,  /* the client closed without QUIT */
    SESSION_LOST,    /* the connection broke */
    SESSION_TIMEOUT, /* timeoutsmtpd */
    SESSION_EXPIRED, /* timeoutsession */
    SESSION_STOPPED, /* SIGTERM */
    SESSION_ERRORS,  /* more than maxerrors */
    SESSION_IDLE,    /* many commands that do nothing */
    SESSION_FOREIGN, /* another protocol, or a chunk of unknown size */
    SESSION_REFUSED, /* turned away at the greeting */
    SESSION_LOGINS,  /* three failed logins */
    SESSION_RULE,    /* a rule that ends it has fired, and its reply is said */
    SESSION_UNKNOWN, /* nobody can say whether a message was queued */
    SESSION_TLS      /* the handshake failed, or clear text came where none may */
};

/* In this order few pages are touched by a session that has not begun a message: what is small and
 * what it neighbours first; the buffers behind are touched only as far as used. */
struct session {
    struct connection const *connection;
    struct settings const *settings;
    struct input input;
    struct transaction transaction;
    enum session_end end;
    char banned[FINDING_RULE_MAX + 1]; /* the rule by which only QUIT is answered well; or empty */
    bool greeted;                      /* HELO or EHLO was accepted */
    bool extended;                     /* it was EHLO */
    bool encrypted;                    /* TLS has begun */
    char tls_version[16], tls_suite[64]; /* for the trace field; empty without TLS */
    char login[SESSION_LOGIN_MAX + 1];   /* who has authenticated, lower case; empty: nobody */
    unsigned int login_failures;
    size_t helo_length;
    uint64_t commands, errors_in_all, accepted;
    uint64_t errors, idle; /* since the last accepted message */
    char helo[SESSION_HELO_MAX + 1];
    uint64_t unknown;           /* recipients that do not exist here */
    enum policy_rule right;     /* by which the first recipient was accepted */
    struct judgement judgement; /* the same holds for it */
    struct arrival arrival;
    struct spf_identities spf; /* its answers are touched only as far as used */
    struct stream stream;
    struct submit submit;
};

/* What the end of the stream means for the session. */
enum session_end session_end_of(enum stream_result result);

/* Says that all is well. */
void session_answer(struct session *session, struct reply const *reply);
void session_answer_text(struct session *session, unsigned int number, char const *status,
                         char const *text);

/* Says an error: counts it, logs it with RULE (a word) and, of COMMAND, the argument when it is
 * an envelope address (0 for none); delays it when there were many; ends the session when there
 * were too many. */
void session_refuse(struct session *session, struct reply const *reply, char const *rule,
                    struct command const *command);
void session_refuse_text(struct session *session, unsigned int number, char const *status,
                         char const *text, char const *rule);

/* The same without a word in the log, for what is said once and not of each command. */
void session_refuse_unlogged(struct session *session, struct reply const *reply);

/* As session_refuse for what was found; 421 ends the session. The reply names the rule. */
void session_refuse_finding(struct session *session, struct finding const *finding,
                            struct command const *command);

/* What was DECIDED about what the client said, WAITED being how the wait for it went. False: it was
 * refused, or the session ends. */
bool session_passes(struct session *session, enum stream_result waited,
                    struct finding const *decided, struct command const *command);

/* A command that is not one's turn: 503. */
void session_refuse_order(struct session *session, char const *text);

/* As session_refuse for what RULE, a refusal, says. */
void session_refuse_rule(struct session *session, enum policy_rule rule,
                         struct command const *command);

/* Counts a command that brings no message nearer. False: there were too many since the last
 * accepted message, and the session's end is set. */
bool session_count_idle(struct session *session);

/* Adds who the client is to LINE: its address, and the name that it gave. */
void session_log_client(struct session const *session, struct log_line *line);

/* Logs the end: abnormal ones, and sessions that brought no message. */
void session_log_end(struct session const *session);

/* Logs an accepted message under its queue ID, with the wire's SIZE in octets. */
void session_log_accepted(struct session const *session, char const *id, uint64_t size);

#endif
