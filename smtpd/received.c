#include "smtpd/received.h"

#include <string.h>

#include "lib/address.h"
#include "lib/date.h"

#define HELO_SHOWN_MAX 255

static bool add(stralloc *out, char const *text)
{
    return stralloc_catb(out, text, strlen(text)) != 0;
}

/* The name that the client gave itself. What could end the name or open a comment becomes `?`:
 * the field must stay well-formed whatever a stranger says. */
static bool add_helo(stralloc *out, char const *helo, size_t length)
{
    static char const safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               ".-_:[]";
    if (length > HELO_SHOWN_MAX)
        length = HELO_SHOWN_MAX;
    for (size_t i = 0; i < length; i++)
        if (!stralloc_append(out, helo[i] && strchr(safe, helo[i]) ? helo[i] : '?'))
            return false;
    return length > 0 || add(out, "unknown");
}

static bool add_remote(stralloc *out, ip46 const *remote)
{
    char text[IP46_FMT];
    if (!remote)
        return true;
    return add(out, remote->is6 ? " ([IPv6:" : " ([") &&
           stralloc_catb(out, text, ip46_fmt(text, remote)) && add(out, "])");
}

bool received_format(stralloc *out, struct received const *received)
{
    char date[DATE_SIZE];
    (void)date_format(date, received->when);
    char const *protocol = received->smtputf8 ? "UTF8SMTP" : received->extended ? "ESMTP" : "SMTP";
    bool done = add(out, "Received: from ") &&
                add_helo(out, received->helo, received->helo_length) &&
                add_remote(out, received->remote) && add(out, "\n by ") && add(out, received->me) &&
                add(out, " with ") && add(out, protocol);
    if (done && received->id[0])
        done = add(out, " id ") && add(out, received->id);
    if (done && received->recipient)
        done = add(out, "\n for <") &&
               address_quote(out, received->recipient, received->recipient_length) && add(out, ">");
    return done && add(out, ";\n ") && add(out, date) && add(out, "\n");
}
