/* SPF of a session (RFC 7208): the name of HELO and the sender of MAIL are judged each by an
 * ekiden-spf of its own, which the keeper starts (HELPER_SPF). The questions are asked at once and
 * nothing is waited for; the answers are awaited when they are needed.
 *
 * What it says and what becomes of it, by `spfbehavior`:
 *   0 nothing is asked    1 header fields only    2 temperror is deferred    3 fail is refused
 *   4 softfail is refused; each with all before it. permerror refuses nothing: the mistake is the
 * domain's, and its mail is not worse for it.
 * The HELO identity counts as well (RFC 7208 2.3): its fail is refused like the sender's, even
 * where the sender passes, because who publishes a record for a host name says which address that
 * is, and no forwarder changes it. Its softfail and temperror count only where it stands for the
 * null sender (2.4).
 *
 * A program that dies or lies is temperror for the header fields; deferred only where `dnsdown`
 * says so. One that is late is temperror: its domain's name servers are slow. */
#ifndef EKIDEN_SPF_IDENTITIES_H
#define EKIDEN_SPF_IDENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/finding.h"
#include "lib/address.h"
#include "smtpd/stream.h"
#include "spf/spf_answer.h"

enum spf_stage {
    SPF_NOT_ASKED,
    SPF_WANTED, /* to be asked when it is awaited */
    SPF_ASKED,  /* the answer is on its way */
    SPF_KNOWN   /* answer and broken are */
};

struct spf_identity {
    enum spf_stage stage;
    bool broken; /* the program died or lied: temperror, and what that means is dnsdown's matter */
    int channel; /* to its program, while SPF_ASKED */
    size_t length, name_length;
    char name[ADDRESS_MAX + 1]; /* what was judged: a host's name, or a sender */
    struct spf_answer answer;
    char bytes[SPF_ANSWER_MAX + 1]; /* of the answer so far; the last: touched as far as used */
};

struct spf_identities {
    struct stream *stream; /* the session's, for its deadlines; it is not written to */
    bool for_sender;       /* the null sender: what HELO gave is the sender's result */
    unsigned int ahead;    /* questions that were asked ahead of need */
    struct spf_identity helo, sender;
};

/* Nothing is asked yet. */
void spf_identities_start(struct spf_identities *identities, struct stream *stream);

/* HELO or EHLO with LENGTH bytes of NAME, at most 255: asks where spfbehavior wants that. What was
 * asked before is forgotten, unless the name is the same (behind STARTTLS it mostly is). Not for
 * clients that are exempt, or have no address. A client that changes its mind often costs no
 * process each time: then it is asked when it is awaited. */
void spf_identities_hello(struct spf_identities *identities, char const *name, size_t length);

/* The same for MAIL; LENGTH 0 is the null sender. The answer for the last sender serves again when
 * it is the same one. */
void spf_identities_sender(struct spf_identities *identities, char const *sender, size_t length);

/* Awaits what was asked, until DEADLINE (milliseconds of CLOCK_MONOTONIC). STREAM_OK, however it
 * went; STREAM_STOPPED and STREAM_EXPIRED concern the session. */
enum stream_result spf_identities_await(struct spf_identities *identities, int64_t deadline);

/* The part of the identity's name that could have a record; *length 0: none could (RFC 7208 4.3).
 */
char const *spf_identity_domain(struct spf_identity const *identity, size_t *length);

/* What that means, of both identities, HELO first: at most two findings of rule `spfbehavior`.
 * Returns how many. DEFERS: dnsdown says so. */
size_t spf_identities_findings(struct spf_identities const *identities, bool defers,
                               struct finding findings[2]);

/* The one that stands for the sender of the message, for greylist and log; 0: nothing is known. */
struct spf_identity const *spf_identities_result(struct spf_identities const *identities);

/* Gives up what is under way. */
void spf_identities_end(struct spf_identities *identities);

#endif
