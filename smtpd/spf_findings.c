/* What SPF's answers mean: smtpd/spf_identities.h. */
#include <stdio.h>
#include <string.h>

#include "smtpd/spf_identities.h"

#define RULE         "spfbehavior"
#define DOMAIN_SHOWN 100 /* octets of it in a reply */

/* From which spfbehavior on a result speaks against the sender, and against HELO; 0: never. */
static struct {
    unsigned char sender, helo;
    unsigned int number;
    char const *status;
} const rows[] = {
    [SPF_NONE] = {0, 0, 0, ""},
    [SPF_NEUTRAL] = {0, 0, 0, ""},
    [SPF_PASS] = {0, 0, 0, ""},
    [SPF_FAIL] = {3, 3, 550, "5.7.23"}, /* RFC 7372 3.2 */
    [SPF_SOFTFAIL] = {4, 0, 550, "5.7.23"},
    [SPF_TEMPERROR] = {2, 0, 451, "4.7.24"}, /* 3.3 */
    [SPF_PERMERROR] = {0, 0, 0, ""},
};

static void describe(char *text, size_t size, struct spf_identities const *identities,
                     struct spf_identity const *identity)
{
    struct spf_answer const *const answer = &identity->answer;
    char address[IP46_FMT + 1];
    size_t length;
    char const *const domain = spf_identity_domain(identity, &length);
    int const shown = length < DOMAIN_SHOWN ? (int)length : DOMAIN_SHOWN;
    address[ip46_fmt(address, &identities->stream->connection->remote)] = 0;
    bool const is_helo = identity == &identities->helo;
    switch (answer->result) {
    case SPF_FAIL:
    case SPF_SOFTFAIL:
        snprintf(text, size, "%.*s %s let %s %s (SPF)%s%s", shown, domain,
                 answer->result == SPF_FAIL ? "does not" : "would rather not", address,
                 is_helo ? "say HELO with its name" : "send its mail",
                 answer->explanation[0] ? "; it explains: " : "", answer->explanation);
        break;
    case SPF_TEMPERROR:
        snprintf(text, size, "SPF of %.*s cannot be checked right now, please try again later",
                 shown, domain);
        break;
    default:
        snprintf(text, size, "SPF of %.*s: %s%s%s", shown, domain, spf_result_word(answer->result),
                 answer->problem[0] ? ", " : "", answer->problem);
    }
}

/* The least spfbehavior for which the result counts; 0: it never does. */
static unsigned int level_of(struct spf_identities const *identities,
                             struct spf_identity const *identity)
{
    bool const for_sender = identity == &identities->sender || identities->for_sender;
    return for_sender ? rows[identity->answer.result].sender : rows[identity->answer.result].helo;
}

static enum finding_verdict judge(struct spf_identities const *identities,
                                  struct spf_identity const *identity, bool defers)
{
    uint64_t const behavior = identities->stream->connection->settings->spfbehavior;
    unsigned int const level = level_of(identities, identity);
    enum spf_result const result = identity->answer.result;
    bool const counts = identity->broken ? level && defers : level != 0;
    if (counts && behavior >= level)
        return rows[result].number < 500 ? FINDING_DEFER : FINDING_REFUSE;
    if (result == SPF_TEMPERROR)
        return FINDING_UNKNOWN;
    return result == SPF_FAIL || result == SPF_SOFTFAIL || result == SPF_PERMERROR
               ? FINDING_NOTE
               : FINDING_NOTHING;
}

static void find(struct finding *finding, struct spf_identities const *identities,
                 struct spf_identity const *identity, bool defers)
{
    char text[DOMAIN_SHOWN + SPF_EXPLANATION_MAX + 200]; /* what does not fit is cut */
    enum finding_verdict const verdict = judge(identities, identity, defers);
    bool const counts = verdict == FINDING_DEFER || verdict == FINDING_REFUSE;
    enum spf_result const result = identity->answer.result;
    describe(text, sizeof text, identities, identity);
    finding_make(finding, verdict, RULE, RULE ":1");
    finding_reply(finding, counts ? rows[result].number : 0, counts ? rows[result].status : "",
                  text);
    finding_trail(finding, identity == &identities->helo ? "HELO " : "MAIL FROM ");
    finding_trail(finding, identity->name);
    finding_trail(finding, ": ");
    finding_trail(finding, spf_result_word(result));
    finding_trail(finding, identity->answer.trail[0] ? "; " : "");
    finding_trail(finding, identity->answer.trail);
}

size_t spf_identities_findings(struct spf_identities const *identities, bool defers,
                               struct finding findings[2])
{
    size_t count = 0;
    if (identities->helo.stage == SPF_KNOWN)
        find(findings + count++, identities, &identities->helo, defers);
    if (identities->sender.stage == SPF_KNOWN)
        find(findings + count++, identities, &identities->sender, defers);
    return count;
}

struct spf_identity const *spf_identities_result(struct spf_identities const *identities)
{
    struct spf_identity const *const identity =
        identities->for_sender ? &identities->helo : &identities->sender;
    return identity->stage == SPF_KNOWN ? identity : NULL;
}
