#include "smtpd/spf_identities.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "smtpd/helper_ask.h"
#include "smtpd/policy.h"

#define AHEAD_MAX 10 /* of a session; then each question waits until it is needed */

/* --- asking --- */

static void forget(struct spf_identity *identity)
{
    if (identity->stage == SPF_ASKED)
        close(identity->channel); /* its program ends, or is killed */
    identity->stage = SPF_NOT_ASKED;
}

static void know(struct spf_identity *identity, enum spf_result result, char const *problem)
{
    struct spf_answer *const answer = &identity->answer;
    answer->result = result;
    answer->explanation[0] = answer->trail[0] = answer->problem[0] = 0;
    spf_answer_append(answer->problem, sizeof answer->problem, problem, strlen(problem));
    identity->stage = SPF_KNOWN;
}

/* Nobody can say whose fault it is. */
static void know_nothing(struct spf_identity *identity, char const *why)
{
    struct log_line line;
    log_begin(&line, "spf-failed");
    log_bytes(&line, "name", identity->name, identity->name_length);
    log_text(&line, "reason", why);
    log_write(&line);
    know(identity, SPF_TEMPERROR, why);
    identity->broken = true;
}

char const *spf_identity_domain(struct spf_identity const *identity, size_t *length)
{
    char const *const sign = memrchr(identity->name, '@', identity->name_length);
    char const *const domain = sign ? sign + 1 : identity->name;
    size_t const size = identity->name_length - (size_t)(domain - identity->name);
    bool const usable = address_is_domain(domain, size, true) && memchr(domain, '.', size);
    *length = usable ? size : 0;
    return domain;
}

static bool add_field(char *question, size_t size, size_t *length, char const *field, size_t bytes)
{
    if (bytes + 1 > size - *length)
        return false;
    memcpy(question + *length, field, bytes);
    question[*length + bytes] = 0;
    *length += bytes + 1;
    return true;
}

/* `ADDRESS NUL HELO NUL SENDER NUL`, all at once: a new socket takes so much. */
static bool tell(struct spf_identities const *identities, struct spf_identity const *identity)
{
    struct spf_identity const *const helo = &identities->helo;
    char question[IP46_FMT + 2 * sizeof identity->name], address[IP46_FMT];
    size_t length = 0;
    bool const is_sender = identity == &identities->sender;
    return add_field(question, sizeof question, &length, address,
                     ip46_fmt(address, &identities->stream->connection->remote)) &&
           add_field(question, sizeof question, &length, helo->name, helo->name_length) &&
           add_field(question, sizeof question, &length, identity->name,
                     is_sender ? identity->name_length : 0) &&
           send(identity->channel, question, length, MSG_NOSIGNAL | MSG_DONTWAIT) ==
               (ssize_t)length &&
           shutdown(identity->channel, SHUT_WR) == 0;
}

static void ask(struct spf_identities const *identities, struct spf_identity *identity)
{
    int const requests = identities->stream->connection->helper_requests;
    size_t length;
    (void)spf_identity_domain(identity, &length);
    identity->broken = false;
    if (length == 0) {
        know(identity, SPF_NONE, "");
        return;
    }
    identity->channel = requests < 0 ? -1 : helper_talk(requests, HELPER_SPF, SOCK_STREAM);
    if (identity->channel < 0) {
        know_nothing(identity, "ekiden-spf cannot be asked for");
        return;
    }
    identity->stage = SPF_ASKED;
    identity->length = 0;
    if (!tell(identities, identity)) {
        forget(identity);
        know_nothing(identity, "ekiden-spf cannot be asked");
    }
}

/* What was asked stays asked, unless another answer may come now. */
static bool is_same(struct spf_identity const *identity, char const *text, size_t length)
{
    return identity->stage != SPF_NOT_ASKED && identity->name_length == length &&
           memcmp(identity->name, text, length) == 0 &&
           (identity->stage != SPF_KNOWN || identity->answer.result != SPF_TEMPERROR);
}

static void name(struct spf_identity *identity, char const *text, size_t length)
{
    forget(identity);
    identity->name_length = length < sizeof identity->name ? length : 0;
    memcpy(identity->name, text, identity->name_length);
    identity->name[identity->name_length] = 0;
}

static bool is_wanted(struct spf_identities const *identities)
{
    struct connection const *const connection = identities->stream->connection;
    return connection->settings->spfbehavior > 0 && connection->has_remote &&
           !policy_is_exempt(connection);
}

void spf_identities_start(struct spf_identities *identities, struct stream *stream)
{
    identities->stream = stream;
    identities->helo.stage = identities->sender.stage = SPF_NOT_ASKED;
    identities->helo.name_length = identities->sender.name_length = 0;
    identities->for_sender = false;
    identities->ahead = 0;
}

static void want(struct spf_identities *identities, struct spf_identity *identity)
{
    if (!is_wanted(identities))
        return;
    if (identities->ahead++ < AHEAD_MAX)
        ask(identities, identity);
    else
        identity->stage = SPF_WANTED;
}

void spf_identities_hello(struct spf_identities *identities, char const *text, size_t length)
{
    identities->for_sender = false;
    if (is_same(&identities->helo, text, length))
        return;
    name(&identities->helo, text, length);
    name(&identities->sender, "", 0); /* it was judged with the other name */
    want(identities, &identities->helo);
}

void spf_identities_sender(struct spf_identities *identities, char const *sender, size_t length)
{
    identities->for_sender = length == 0;
    if (length > 0 && is_same(&identities->sender, sender, length))
        return;
    name(&identities->sender, sender, length);
    if (length > 0)
        want(identities, &identities->sender);
}

void spf_identities_end(struct spf_identities *identities)
{
    forget(&identities->helo);
    forget(&identities->sender);
}

/* --- hearing --- */

/* The channel is at its end. */
static void take_answer(struct spf_identity *identity)
{
    forget(identity);
    if (spf_answer_parse(&identity->answer, identity->bytes, identity->length))
        identity->stage = SPF_KNOWN;
    else
        know_nothing(identity, identity->length ? "what ekiden-spf says is no answer"
                                                : "ekiden-spf ended without an answer");
}

/* Takes what has come. False: there is nothing now. */
static bool take_some(struct spf_identity *identity)
{
    size_t const room = sizeof identity->bytes - identity->length;
    ssize_t const got =
        recv(identity->channel, identity->bytes + identity->length, room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got > 0)
        identity->length += (size_t)got;
    if (got <= 0 || identity->length > SPF_ANSWER_MAX)
        take_answer(identity);
    return true;
}

static enum stream_result await(struct spf_identities *identities, struct spf_identity *identity,
                                int64_t deadline)
{
    if (identity->stage == SPF_WANTED)
        ask(identities, identity);
    while (identity->stage == SPF_ASKED) {
        if (take_some(identity))
            continue;
        int64_t const left = deadline - clock_milliseconds();
        enum stream_result const result =
            stream_wait(identities->stream, identity->channel, POLLIN, left);
        if (result == STREAM_TIMEOUT || result == STREAM_LOST) {
            forget(identity);
            know(identity, SPF_TEMPERROR, "no answer in time");
        } else if (result != STREAM_OK) {
            return result;
        }
    }
    return STREAM_OK;
}

enum stream_result spf_identities_await(struct spf_identities *identities, int64_t deadline)
{
    enum stream_result const result = await(identities, &identities->helo, deadline);
    return result == STREAM_OK ? await(identities, &identities->sender, deadline) : result;
}
