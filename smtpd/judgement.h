/* Who may hand us mail, as far as others have to be asked: name servers and what we remember of the
 * client (ekiden-judge), and SPF (ekiden-spf). Which questions there are at which stage, and in
 * which order the answers count.
 *
 * Only on port 25, and not for clients that are exempt (policy_is_exempt) or have no address. Each
 * question is sent as soon as it can be, and nothing is awaited before the first RCPT whose mailbox
 * is good, save limits of connections. Then the findings count in this order, and the first that
 * refuses or defers decides: client, HELO name, SPF, sender, and last, for each recipient,
 * greylisting and limits. An allowed address silences lists and greylisting,
 * an allowed name, which anybody may claim, other lists of names only. Mail to postmaster
 * is not refused by lists, SPF or greylisting (RFC 5321 4.5.1).
 *
 * When nobody can be asked, the mail goes on and the log says so, or is deferred where `dnsdown`
 * says that. What belongs to the connection stays; HELO and MAIL replace what was found before. */
#ifndef EKIDEN_JUDGEMENT_H
#define EKIDEN_JUDGEMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "judge/finding.h"
#include "lib/address.h"
#include "lib/log.h"
#include "smtpd/judge_ask.h"
#include "smtpd/spf_identities.h"
#include "smtpd/stream.h"

#define JUDGEMENT_FINDINGS_MAX (JUDGE_TOPICS * QUESTION_FINDINGS_MAX + 3)
#define JUDGEMENT_NOTED_MAX    127 /* bytes */
#define JUDGEMENT_WORD_MAX     31

struct judgement {
    struct stream *stream; /* the session's, for its deadlines; it is not written to */
    struct spf_identities *spf;
    bool exempt;
    char address[IP46_FMT + 1]; /* the client's, as text */
    char helo[QUESTION_FIELD_MAX + 1], sender[QUESTION_FIELD_MAX + 1];
    char noted[JUDGEMENT_NOTED_MAX + 1];   /* local rules that only want to be logged */
    char greylist[JUDGEMENT_WORD_MAX + 1]; /* the last word about a recipient */
    int64_t spf_patience; /* milliseconds that the session may still wait for SPF */
    bool gathered;        /* what follows is about the message of today */
    size_t count;
    struct judge_ask judge;
    struct finding const *findings[JUDGEMENT_FINDINGS_MAX]; /* in the order in which they count */
    struct finding lost, of_spf[2];                         /* touched only as far as used */
};

/* Begins a session. Asks nothing yet. */
void judgement_start(struct judgement *judgement, struct stream *stream,
                     struct spf_identities *spf);

/* Each of these sends its questions without a wait. HELO: LENGTH bytes, at most 255. The same name
 * is not asked about again. */
void judgement_connect(struct judgement *judgement);
void judgement_hello(struct judgement *judgement, char const *name, size_t length);
void judgement_sender(struct judgement *judgement, char const *sender, size_t length);

/* These await an answer, and fill in *DECIDED: what refuses or defers, or FINDING_NOTHING.
 * STREAM_OK, however it went; STREAM_STOPPED and STREAM_EXPIRED concern the session. Where there is
 * nothing to ask they cost nothing. */

/* May the client connect so often? */
enum stream_result judgement_connection(struct judgement *judgement, struct finding *decided);

/* May this recipient, whose mailbox is good, get the message? */
enum stream_result judgement_recipient(struct judgement *judgement, struct address const *recipient,
                                       struct finding *decided);

/* RECIPIENT is nobody here: may the client ask for more of them? */
enum stream_result judgement_unknown(struct judgement *judgement, struct address const *recipient,
                                     struct finding *decided);

/* May a message for so many RECIPIENTS come? */
enum stream_result judgement_message(struct judgement *judgement, uint64_t recipients,
                                     struct finding *decided);

/* Remembers for the log that a local rule has an objection that does not count. */
void judgement_note(struct judgement *judgement, struct finding const *finding);

/* Adds `name=`, `spf=`, `lists=`, `greylist=`, `noted=` to LINE, those of which something is known.
 */
void judgement_log(struct judgement const *judgement, struct log_line *line);

/* The result of SPF as its word; empty: it was not asked. */
char const *judgement_spf(struct judgement const *judgement);

/* What rule forward-dns has found about the client's name, as a result's word of RFC 8601 2.7.3;
 * NULL: it was not asked. *name is the confirmed name, or empty. */
char const *judgement_iprev(struct judgement const *judgement, char const **name);

/* The rule for which the message is welcome: one that allows; NULL: none had to. */
char const *judgement_allowing(struct judgement const *judgement);

/* Ends the helpers. */
void judgement_end(struct judgement *judgement);

#endif
