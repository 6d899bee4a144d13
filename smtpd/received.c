#include "smtpd/received.h"

#include <string.h>

#include "lib/address.h"
#include "lib/date.h"

#define HELO_SHOWN_MAX 255

static bool add(stralloc *out, char const *text)
{
    return stralloc_catb(out, text, strlen(text)) != 0;
}

/* A word from outside. What could end it or open a comment becomes `?`: the field must stay
 * well-formed whatever a stranger says. */
static bool add_word(stralloc *out, char const *word, size_t length)
{
    static char const safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               ".-_:[]";
    for (size_t i = 0; i < length; i++)
        if (!stralloc_append(out, word[i] && strchr(safe, word[i]) ? word[i] : '?'))
            return false;
    return true;
}

/* The name that the client gave itself. */
static bool add_helo(stralloc *out, char const *helo, size_t length)
{
    return add_word(out, helo, length < HELO_SHOWN_MAX ? length : HELO_SHOWN_MAX) &&
           (length > 0 || add(out, "unknown"));
}

static bool add_remote(stralloc *out, ip46 const *remote)
{
    char text[IP46_FMT];
    if (!remote)
        return true;
    return add(out, remote->is6 ? " ([IPv6:" : " ([") &&
           stralloc_catb(out, text, ip46_fmt(text, remote)) && add(out, "])");
}

/* The keyword, and with TLS its version and suite as a comment: on a line of its own, for both have
 * together more than 30 octets. */
static bool add_protocol(stralloc *out, struct received const *received)
{
    bool const extended = received->extended || received->smtputf8;
    bool done = add(out, received->smtputf8   ? "UTF8SMTP"
                         : received->extended ? "ESMTP"
                                              : "SMTP") &&
                (!extended || !received->encrypted || add(out, "S")) &&
                (!extended || !received->authenticated || add(out, "A"));
    if (!done || !received->encrypted || !received->tls_version[0])
        return done;
    return add(out, "\n (") &&
           add_word(out, received->tls_version, strlen(received->tls_version)) &&
           (!received->tls_suite[0] ||
            (add(out, " ") && add_word(out, received->tls_suite, strlen(received->tls_suite)))) &&
           add(out, ")");
}

bool received_format(stralloc *out, struct received const *received)
{
    char date[DATE_SIZE];
    (void)date_format(date, received->when);
    bool done = add(out, "Received: from ") &&
                add_helo(out, received->helo, received->helo_length) &&
                add_remote(out, received->remote) && add(out, "\n by ") && add(out, received->me) &&
                add(out, " with ") && add_protocol(out, received);
    if (done && received->id[0])
        done = add(out, " id ") && add(out, received->id);
    if (done && received->recipient)
        done = add(out, "\n for <") &&
               address_quote(out, received->recipient, received->recipient_length) && add(out, ">");
    return done && add(out, ";\n ") && add(out, date) && add(out, "\n");
}
