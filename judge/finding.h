/* What one rule found out about a client, a name, a sender or a recipient: the one form in which
 * rules speak to the session, to the log, and to `ekiden explain`. */
#ifndef EKIDEN_FINDING_H
#define EKIDEN_FINDING_H

#include <stdbool.h>
#include <stddef.h>

#define FINDING_RULE_MAX   31 /* bytes of each text, without its NUL */
#define FINDING_PLACE_MAX  63 /* `FILE:LINE` in the control folder */
#define FINDING_STATUS_MAX 8
#define FINDING_TEXT_MAX   300
#define FINDING_TRAIL_MAX  600
#define FINDING_BYTES_MAX                                                                          \
    (2 + FINDING_RULE_MAX + FINDING_PLACE_MAX + 3 + FINDING_STATUS_MAX + FINDING_TEXT_MAX +        \
     FINDING_TRAIL_MAX + 6)

enum finding_verdict {
    FINDING_NOTHING = '-', /* the rule was asked, and has no objection */
    FINDING_ALLOW = '+',   /* speaks for the client: the objections of lists do not count then */
    FINDING_NOTE = 'n',    /* an objection that the operator wants to see in the log only */
    FINDING_DEFER = 'd',
    FINDING_REFUSE = 'r',
    FINDING_UNKNOWN = '?' /* nobody could say (DNS is down): accepted and logged */
};

struct finding {
    enum finding_verdict verdict;
    unsigned int number;                 /* of the reply: 4xx to defer, 5xx to refuse, else 0 */
    char rule[FINDING_RULE_MAX + 1];     /* one word: the control file's name where there is one */
    char place[FINDING_PLACE_MAX + 1];   /* which line says so; empty where none does */
    char status[FINDING_STATUS_MAX + 1]; /* enhanced status code of the reply; else empty */
    char text[FINDING_TEXT_MAX + 1];     /* of the reply; where there is none, what the log shows */
    char trail[FINDING_TRAIL_MAX + 1];   /* what was asked and what came, for `ekiden explain` */
};

/* Fills *finding. Texts are cut where they are too long, and what is not printable ASCII becomes
 * `?` (an enhanced status code or a rule is ours, and fits). NULL is the empty text. */
void finding_make(struct finding *finding, enum finding_verdict verdict, char const *rule,
                  char const *place);
void finding_reply(struct finding *finding, unsigned int number, char const *status,
                   char const *text);
void finding_trail(struct finding *finding, char const *text); /* added behind what is there */

/* Writes the wire form: VERDICT NUMBER NUL RULE NUL PLACE NUL STATUS NUL TEXT NUL TRAIL NUL.
 * Returns its length. */
size_t finding_format(char bytes[FINDING_BYTES_MAX], struct finding const *finding);

/* Reads one finding from the beginning of LENGTH bytes. Returns how many it took; 0 when that is
 * none: an unknown verdict, a number that does not fit it, a text that is too long, not printable,
 * or without its NUL. */
size_t finding_parse(struct finding *finding, char const *bytes, size_t length);

#endif
