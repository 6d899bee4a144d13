#include "smtpd/results.h"

#include <string.h>

#include "lib/address.h"
#include "lib/utf8.h"

static bool add(stralloc *out, char const *text)
{
    return stralloc_catb(out, text, strlen(text)) != 0;
}

/* What both a token of RFC 2045 and a dot-atom of RFC 5322 may be. */
static bool is_word(char const *bytes, size_t length)
{
    static char const safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+.";
    bool dot = true;
    for (size_t i = 0; i < length; i++) {
        if (!memchr(safe, bytes[i], sizeof safe - 1) || (dot && bytes[i] == '.'))
            return false;
        dot = bytes[i] == '.';
    }
    return !dot;
}

/* The printable character at BYTES, with a backslash where SPECIAL has it; else a `?`. Moves *at
 * behind it. */
static bool add_character(stralloc *out, char const *bytes, size_t length, size_t *at, bool utf8,
                          char const *special)
{
    char const *const here = bytes + *at;
    size_t size = 1;
    if ((unsigned char)*here >= 0x80) {
        size = utf8 ? utf8_next(here, length - *at) : 0;
        *at += size ? size : 1;
        return size ? stralloc_catb(out, here, size) : stralloc_append(out, '?');
    }
    (*at)++;
    if (*here < ' ' || *here == 0x7f)
        return stralloc_append(out, '?');
    return (!strchr(special, *here) || stralloc_append(out, '\\')) && stralloc_append(out, *here);
}

bool results_add_value(stralloc *out, char const *bytes, size_t length, bool utf8)
{
    if (is_word(bytes, length))
        return stralloc_catb(out, bytes, length);
    bool done = add(out, "\"");
    for (size_t i = 0; done && i < length;)
        done = add_character(out, bytes, length, &i, utf8, "\"\\");
    return done && add(out, "\"");
}

/* The same within a comment. */
static bool add_comment(stralloc *out, char const *bytes, size_t length, bool utf8)
{
    bool done = true;
    for (size_t i = 0; done && i < length;)
        done = add_character(out, bytes, length, &i, utf8, "()\\");
    return done;
}

static bool add_remote(stralloc *out, ip46 const *remote)
{
    char text[IP46_FMT];
    return results_add_value(out, text, ip46_fmt(text, remote), false);
}

/* --- Authentication-Results --- */

/* A sender, in the form of the wire: a pvalue of RFC 8601 2.2 is one where its domain is a name. */
static bool add_sender(stralloc *out, struct spf_identity const *identity, bool utf8)
{
    char const *const sign = memrchr(identity->name, '@', identity->name_length);
    size_t const length = sign ? identity->name_length - (size_t)(sign + 1 - identity->name) : 0;
    if (sign && address_is_domain(sign + 1, length, utf8))
        return address_quote(out, identity->name, identity->name_length);
    return results_add_value(out, identity->name, identity->name_length, utf8);
}

static bool add_spf(stralloc *out, struct results const *results,
                    struct spf_identity const *identity)
{
    bool const is_helo = identity == &results->spf->helo;
    if (identity->stage != SPF_KNOWN)
        return true;
    return add(out, ";\n spf=") && add(out, spf_result_word(identity->answer.result)) &&
           add(out, is_helo ? " smtp.helo=" : " smtp.mailfrom=") &&
           (is_helo
                ? results_add_value(out, identity->name, identity->name_length, results->smtputf8)
                : add_sender(out, identity, results->smtputf8));
}

static bool add_iprev(stralloc *out, struct results const *results)
{
    if (!results->iprev)
        return true;
    if (!add(out, ";\n iprev=") || !add(out, results->iprev) || !add(out, " policy.iprev=") ||
        !add_remote(out, results->remote))
        return false;
    return !results->name[0] ||
           (add(out, " (") && add_comment(out, results->name, strlen(results->name), false) &&
            add(out, ")"));
}

static bool add_authentication_results(stralloc *out, struct results const *results)
{
    return add(out, "Authentication-Results: ") && add(out, results->me) &&
           add_spf(out, results, &results->spf->sender) &&
           add_spf(out, results, &results->spf->helo) && add_iprev(out, results) && add(out, "\n");
}

/* --- Received-SPF --- */

/* The comment: who says it, and what for a human. %d is the domain, %i the client's address. */
static char const *const texts[] = {
    [SPF_NONE] = "%d has no record",
    [SPF_NEUTRAL] = "%d neither permits nor denies %i",
    [SPF_PASS] = "%d designates %i as permitted sender",
    [SPF_FAIL] = "%d does not designate %i as permitted sender",
    [SPF_SOFTFAIL] = "%d probably does not designate %i as permitted sender",
    [SPF_TEMPERROR] = "%d could not be checked",
    [SPF_PERMERROR] = "the record of %d cannot be interpreted",
};

static bool add_text(stralloc *out, struct results const *results,
                     struct spf_identity const *identity)
{
    char const *const sign = memrchr(identity->name, '@', identity->name_length);
    char const *const domain = sign ? sign + 1 : identity->name;
    size_t const length = identity->name_length - (size_t)(domain - identity->name);
    char address[IP46_FMT];
    bool done = true;
    for (char const *text = texts[identity->answer.result]; done && *text; text++)
        if (*text != '%')
            done = stralloc_append(out, *text);
        else if (*++text == 'd')
            done = add_comment(out, domain, length, results->smtputf8);
        else
            done = stralloc_catb(out, address, ip46_fmt(address, results->remote));
    return done;
}

static bool add_pair(stralloc *out, char const *key, char const *value, size_t length, bool utf8)
{
    return add(out, "\n ") && add(out, key) && add(out, "=") &&
           results_add_value(out, value, length, utf8) && add(out, ";");
}

static bool add_received_spf(stralloc *out, struct results const *results,
                             struct spf_identity const *identity)
{
    struct spf_identities const *const spf = results->spf;
    struct spf_answer const *const answer = &identity->answer;
    bool const utf8 = results->smtputf8;
    if (identity->stage != SPF_KNOWN)
        return true;
    return add(out, "Received-SPF: ") && add(out, spf_result_word(answer->result)) &&
           add(out, " (") && add(out, results->me) && add(out, ":\n ") &&
           add_text(out, results, identity) && add(out, ")\n client-ip=") &&
           add_remote(out, results->remote) && add(out, ";") &&
           add_pair(out, "envelope-from", spf->sender.name, spf->sender.name_length, utf8) &&
           add_pair(out, "helo", spf->helo.name, spf->helo.name_length, utf8) &&
           add_pair(out, "receiver", results->me, strlen(results->me), false) &&
           (!answer->problem[0] ||
            add_pair(out, "problem", answer->problem, strlen(answer->problem), false)) &&
           add(out, identity == &spf->helo ? "\n identity=helo\n" : "\n identity=mailfrom\n");
}

bool results_format(stralloc *out, struct results const *results)
{
    struct spf_identities const *const spf = results->spf;
    if (!results->iprev && spf->sender.stage != SPF_KNOWN && spf->helo.stage != SPF_KNOWN)
        return true;
    return add_authentication_results(out, results) &&
           add_received_spf(out, results, &spf->sender) &&
           add_received_spf(out, results, &spf->helo);
}
