#include "smtpd/judgement.h"

#include <stdio.h>
#include <string.h>

#include <skalibs/bytestr.h>
#include <skalibs/types.h>

#include "lib/clock.h"
#include "smtpd/objection.h"
#include "smtpd/policy.h"

/* ekiden-spf gives up by itself after `spftimeout`; this is for its way to say so. */
#define SPF_MARGIN 1000 /* milliseconds */
/* For what has been answered already, in a session that has waited for as long as it may. */
#define SPF_LEAST 100 /* milliseconds */

static enum question_kind const kinds[JUDGE_TOPICS] = {[JUDGE_CLIENT] = QUESTION_CLIENT,
                                                       [JUDGE_HELLO] = QUESTION_HELLO,
                                                       [JUDGE_SENDER] = QUESTION_SENDER};

static struct settings const *settings_of(struct judgement const *judgement)
{
    return judgement->stream->connection->settings;
}

/* --- which questions there are --- */

static bool asks_of_connections(struct judgement const *judgement)
{
    return limits_settings_ask(&settings_of(judgement)->judge.limits, QUESTION_CONNECTION);
}

/* Greylisting needs to know the sender. */
static bool asks_about(struct judgement const *judgement, enum judge_topic topic)
{
    return judge_settings_ask(&settings_of(judgement)->judge, kinds[topic]) ||
           (topic == JUDGE_SENDER &&
            judge_settings_ask(&settings_of(judgement)->judge, QUESTION_RECIPIENT));
}

/* --- sending them --- */

void judgement_start(struct judgement *judgement, struct stream *stream, struct spf_identities *spf)
{
    struct connection const *const connection = stream->connection;
    judgement->stream = stream;
    judgement->spf = spf;
    judgement->exempt = policy_is_exempt(connection) || !connection->has_remote;
    judgement->address[ip46_fmt(judgement->address, &connection->remote)] = 0;
    judgement->helo[0] = judgement->sender[0] = judgement->noted[0] = judgement->greylist[0] = 0;
    judgement->gathered = false;
    judgement->count = 0;
    judgement->spf_patience = (int64_t)connection->settings->spftimeout * 1000 + SPF_MARGIN;
    judge_ask_begin(&judgement->judge, stream, connection->settings->judge.dnsdeadline);
}

static void ask(struct judgement *judgement, enum judge_topic topic, char const *text)
{
    judgement->gathered = false;
    judgement->count = 0;
    if (judgement->exempt || !judge_settings_ask(&settings_of(judgement)->judge, kinds[topic]))
        return;
    judge_ask_start(&judgement->judge, judgement->address);
    judge_ask_topic(&judgement->judge, topic, text);
}

void judgement_connect(struct judgement *judgement)
{
    if (!judgement->exempt && asks_of_connections(judgement))
        judge_ask_start(&judgement->judge, judgement->address);
    ask(judgement, JUDGE_CLIENT, judgement->address);
}

static void copy(char *to, char const *bytes, size_t length)
{
    length = length < QUESTION_FIELD_MAX ? length : QUESTION_FIELD_MAX;
    memcpy(to, bytes, length);
    to[length] = 0;
}

void judgement_hello(struct judgement *judgement, char const *name, size_t length)
{
    bool const same =
        length == strlen(judgement->helo) && !memcmp(judgement->helo, name, length) && length;
    judgement->gathered = false;
    copy(judgement->helo, name, length);
    spf_identities_hello(judgement->spf, name, length);
    if (!same)
        ask(judgement, JUDGE_HELLO, judgement->helo);
}

void judgement_sender(struct judgement *judgement, char const *sender, size_t length)
{
    copy(judgement->sender, sender, length);
    judgement->greylist[0] = 0;
    spf_identities_sender(judgement->spf, sender, length);
    judge_ask_forget(&judgement->judge, JUDGE_SENDER);
    ask(judgement, JUDGE_SENDER, judgement->sender);
}

/* --- collecting what was found --- */

static void add(struct judgement *judgement, struct finding const *finding)
{
    if (judgement->count == JUDGEMENT_FINDINGS_MAX)
        return;
    judgement->findings[judgement->count++] = finding;
    trace_rule(judgement->stream->connection->trace, finding);
}

/* The judge is gone, and so is what it could have said. */
static void make_lost(struct judgement *judgement)
{
    bool const defers = settings_of(judgement)->judge.dnsdown_defers;
    finding_make(&judgement->lost, defers ? FINDING_DEFER : FINDING_UNKNOWN, "dnsdown", "dnsdown");
    finding_reply(&judgement->lost, defers ? 451 : 0, defers ? "4.4.3" : NULL,
                  defers ? "clients cannot be judged right now, please try again later"
                         : "ekiden-judge does not answer");
}

static enum stream_result gather_topic(struct judgement *judgement, enum judge_topic topic)
{
    char const *const texts[JUDGE_TOPICS] = {[JUDGE_CLIENT] = judgement->address,
                                             [JUDGE_HELLO] = judgement->helo,
                                             [JUDGE_SENDER] = judgement->sender};
    struct question_answer const *answer;
    if (judgement->exempt || !asks_about(judgement, topic))
        return STREAM_OK;
    judge_ask_start(&judgement->judge, judgement->address);
    enum stream_result const result =
        judge_ask_await(&judgement->judge, topic, texts[topic], &answer);
    for (size_t i = 0; answer && i < answer->count; i++)
        add(judgement, &answer->findings[i]);
    return result;
}

static enum stream_result gather_spf(struct judgement *judgement)
{
    int64_t const start = clock_milliseconds();
    int64_t const left = judgement->spf_patience > SPF_LEAST ? judgement->spf_patience : SPF_LEAST;
    enum stream_result const result = spf_identities_await(judgement->spf, start + left);
    judgement->spf_patience -= clock_milliseconds() - start;
    size_t const count = spf_identities_findings(
        judgement->spf, settings_of(judgement)->judge.dnsdown_defers, judgement->of_spf);
    for (size_t i = 0; result == STREAM_OK && i < count; i++)
        add(judgement, &judgement->of_spf[i]);
    return result;
}

/* All that is known of client and sender; once a message. */
static enum stream_result gather(struct judgement *judgement)
{
    if (judgement->gathered)
        return STREAM_OK;
    judgement->count = 0;
    enum stream_result result = gather_topic(judgement, JUDGE_CLIENT);
    if (result == STREAM_OK)
        result = gather_topic(judgement, JUDGE_HELLO);
    if (result == STREAM_OK)
        result = gather_spf(judgement);
    if (result == STREAM_OK)
        result = gather_topic(judgement, JUDGE_SENDER);
    if (result == STREAM_OK && judgement->judge.failed) {
        make_lost(judgement);
        add(judgement, &judgement->lost);
    }
    judgement->gathered = result == STREAM_OK;
    return result;
}

/* --- deciding --- */

static bool is_postmaster(struct address const *recipient)
{
    return recipient->local_length == strlen("postmaster") &&
           !case_diffb(recipient->bytes, recipient->local_length, "postmaster");
}

/* The word of what greylisting said. */
static void take_greylist(struct judgement *judgement, struct finding const *finding)
{
    if (strcmp(finding->rule, "greylist") != 0)
        return;
    char const *const word = objection_is(finding)                 ? "wait"
                             : finding->verdict == FINDING_NOTHING ? finding->text
                                                                   : "unknown";
    snprintf(judgement->greylist, sizeof judgement->greylist, "%s", word);
}

/* The first finding of ANSWER that objects and counts. */
static void decide(struct judgement *judgement, struct question_answer const *answer,
                   bool postmaster, struct finding *decided)
{
    char const *const allowing = judgement_allowing(judgement);
    for (size_t i = 0; answer && i < answer->count; i++) {
        struct finding const *const finding = &answer->findings[i];
        trace_rule(judgement->stream->connection->trace, finding);
        take_greylist(judgement, finding);
        if (decided->verdict == FINDING_NOTHING && objection_counts(finding, allowing, postmaster))
            *decided = *finding;
    }
}

static enum stream_result ask_now(struct judgement *judgement, enum question_kind kind,
                                  char const *first, char const *second, bool postmaster,
                                  struct finding *decided)
{
    struct question_answer const *answer;
    judge_ask_start(&judgement->judge, judgement->address);
    enum stream_result const result =
        judge_ask_now(&judgement->judge, kind, first, second, &answer);
    decide(judgement, answer, postmaster, decided);
    if (result == STREAM_OK && !answer &&
        (kind == QUESTION_RECIPIENT || kind == QUESTION_MESSAGE)) {
        make_lost(judgement);
        if (objection_counts(&judgement->lost, false, postmaster))
            *decided = judgement->lost;
    }
    return result;
}

enum stream_result judgement_connection(struct judgement *judgement, struct finding *decided)
{
    decided->verdict = FINDING_NOTHING;
    if (judgement->exempt || !asks_of_connections(judgement))
        return STREAM_OK;
    return ask_now(judgement, QUESTION_CONNECTION, NULL, NULL, false, decided);
}

enum stream_result judgement_recipient(struct judgement *judgement, struct address const *recipient,
                                       struct finding *decided)
{
    bool const postmaster = is_postmaster(recipient);
    decided->verdict = FINDING_NOTHING;
    if (judgement->exempt)
        return STREAM_OK;
    enum stream_result const result = gather(judgement);
    if (result != STREAM_OK)
        return result;
    char const *const allowing = judgement_allowing(judgement);
    for (size_t i = 0; i < judgement->count && decided->verdict == FINDING_NOTHING; i++)
        if (objection_counts(judgement->findings[i], allowing, postmaster))
            *decided = *judgement->findings[i];
    if (decided->verdict != FINDING_NOTHING ||
        !judge_settings_ask(&settings_of(judgement)->judge, QUESTION_RECIPIENT))
        return STREAM_OK;
    return ask_now(judgement, QUESTION_RECIPIENT, recipient->bytes, judgement_spf(judgement),
                   postmaster, decided);
}

enum stream_result judgement_unknown(struct judgement *judgement, struct address const *recipient,
                                     struct finding *decided)
{
    decided->verdict = FINDING_NOTHING;
    if (judgement->exempt || !judge_settings_ask(&settings_of(judgement)->judge, QUESTION_UNKNOWN))
        return STREAM_OK;
    return ask_now(judgement, QUESTION_UNKNOWN, recipient->bytes, NULL, false, decided);
}

enum stream_result judgement_message(struct judgement *judgement, uint64_t recipients,
                                     struct finding *decided)
{
    char number[UINT64_FMT];
    decided->verdict = FINDING_NOTHING;
    if (judgement->exempt || !judge_settings_ask(&settings_of(judgement)->judge, QUESTION_MESSAGE))
        return STREAM_OK;
    number[uint64_fmt(number, recipients)] = 0;
    return ask_now(judgement, QUESTION_MESSAGE, number, NULL, false, decided);
}

void judgement_end(struct judgement *judgement)
{
    judge_ask_end(&judgement->judge);
}
