/* What a session asks ekiden-judge, and what it hears: packets on a SOCK_SEQPACKET pair, its fd 0.
 * Text fields, each ended by NUL; NUMBER is the asker's, counts up, and comes back in the answer.
 *
 *   LETTER NUMBER NUL FIELD NUL ...
 *     `N` ADDRESS          the first: the client has connected; ADDRESS in text form. Counted only:
 *                          `limits`
 *     `C` ADDRESS          the same client: what name servers say about it
 *     `H` NAME             HELO or EHLO; counts from now on in place of the last one
 *     `M` SENDER           MAIL; empty for the null sender; the same
 *     `R` RECIPIENT SPF    RCPT, before it is accepted; SPF is the result's word, or empty
 *     `U` RECIPIENT        RCPT for nobody here: only counted
 *     `D` RECIPIENTS       DATA: a message for so many (a number) comes
 *   LETTER NUMBER NUL FINDING ...
 *     one packet of answer to each question, when all is known that it asks for, or the session's
 *     time for DNS is used up. Answers to C, H and M may come in any order; N, R, U and D ask no
 *     name server and are answered at once. An H in the place of one that is not answered yet makes
 *     that one's answer come at once, without findings; the same for M.
 *
 * C and H are asked where a control file wants to know, M always comes before R, U and D.
 *
 * The time for DNS (`dnsdeadline`) runs while something is being looked up, and not while the
 * client is silent: otherwise one that waits for ten seconds before MAIL would be judged no more.
 * So an asker waits at most that long for an answer, counted from its question, and a bit for a
 * slow machine; and not less because time has passed before. No question is read while an answer
 * waits for room on the socket: an asker takes what has come whenever it asks, and must not wait
 * for room while it does not read.
 *
 * The findings stand in the order in which they count. `?` is never a reason to refuse or to defer:
 * where `dnsdown` says defer, the judge has made a `d` of it. The judge ends when its socket does.
 * It counts and remembers nothing when it was started with -n (`ekiden explain`). */
#ifndef EKIDEN_QUESTION_H
#define EKIDEN_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

#include "judge/finding.h"

#define QUESTION_FIELD_MAX    600 /* bytes, without the NUL */
#define QUESTION_FIELDS_MAX   2
#define QUESTION_PACKET_MAX   (12 + QUESTION_FIELDS_MAX * (QUESTION_FIELD_MAX + 1))
#define QUESTION_FINDINGS_MAX 24
#define QUESTION_ANSWER_MAX   (12 + QUESTION_FINDINGS_MAX * FINDING_BYTES_MAX)

enum question_kind {
    QUESTION_CONNECTION = 'N',
    QUESTION_CLIENT = 'C',
    QUESTION_HELLO = 'H',
    QUESTION_SENDER = 'M',
    QUESTION_RECIPIENT = 'R',
    QUESTION_UNKNOWN = 'U',
    QUESTION_MESSAGE = 'D'
};

struct question {
    enum question_kind kind;
    unsigned int number;
    char fields[QUESTION_FIELDS_MAX][QUESTION_FIELD_MAX + 1];
};

struct question_answer {
    enum question_kind kind;
    unsigned int number;
    size_t count;
    struct finding findings[QUESTION_FINDINGS_MAX];
};

/* Writes the wire form. Returns its length; 0 when a field is too long: the texts are the caller's
 * (a sender is shorter than 600 bytes). */
size_t question_format(char packet[QUESTION_PACKET_MAX], struct question const *question);

/* False when that is no question: anything but the form above, with the right number of fields. */
bool question_parse(struct question *question, char const *packet, size_t length);

size_t question_answer_format(char packet[QUESTION_ANSWER_MAX],
                              struct question_answer const *answer);
bool question_answer_parse(struct question_answer *answer, char const *packet, size_t length);

#endif
