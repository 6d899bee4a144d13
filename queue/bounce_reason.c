#include "queue/bounce_reason.h"

#include <string.h>

#include "lib/address.h"
#include "lib/utf8.h"

#define DIGITS            "0123456789"
#define ADDRESS_SHOWN_MAX 900

/* Subject and detail of a code (RFC 3463) in plain words; the first that fits counts. */
static struct {
    char const *detail; /* of "5.1.1" the ".1.1"; ending in `.` it stands for all of a subject */
    char const *words;
} const meanings[] = {
    {".1.1", "There is no such mailbox."},
    {".1.2", "There is no such domain, or it takes no mail."},
    {".1.3", "The address is not well-formed."},
    {".1.6", "The mailbox has moved, and nobody knows where to."},
    {".1.7", "The sender's address was refused."},
    {".1.8", "The sender's address was refused."},
    {".1.10", "The domain says that it takes no mail."},
    {".2.1", "The mailbox takes no mail at present."},
    {".2.2", "The mailbox is full."},
    {".2.3", "The message is too large for the mailbox."},
    {".3.4", "The message is too large."},
    {".4.1", "The server did not answer."},
    {".4.2", "The connection to the server was lost."},
    {".4.3", "The domain's servers could not be looked up."},
    {".4.4", "No way to the domain was found."},
    {".4.6", "The message went round in a circle (a mail loop)."},
    {".4.7", "The message could not be delivered in the time for it."},
    {".6.", "The server cannot take a message in this form."},
    {".7.", "The server refused the message by its policy."},
    {".1.", "The address was refused."},
    {".2.", "The mailbox could not take the message."},
    {".3.", "The mail system there could not take the message."},
    {".4.", "The message could not be brought to the server."},
};

static char const *find_words(char const *code)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        size_t const length = strlen(meanings[i].detail);
        bool const all = meanings[i].detail[length - 1] == '.';
        if (strncmp(code + 1, meanings[i].detail, length) == 0 && (all || !code[1 + length]))
            return meanings[i].words;
    }
    return "The message could not be delivered.";
}

/* The length of the code that TEXT begins with, 0 without one. */
static size_t code_length(char const *text, char standard)
{
    bool const fits = standard == '2' ? text[0] == '2' : text[0] == '4' || text[0] == '5';
    if (!fits || text[1] != '.')
        return 0;
    size_t const subject = strspn(text + 2, DIGITS);
    if (subject < 1 || subject > 3 || text[2 + subject] != '.')
        return 0;
    size_t const detail = strspn(text + 3 + subject, DIGITS);
    size_t const length = 3 + subject + detail;
    return detail >= 1 && detail <= 3 && (!text[length] || text[length] == ' ') ? length : 0;
}

/* `NAME[ADDRESS]:PORT` or `[ADDRESS]:PORT`: the name, or else the address. */
static void take_peer(struct bounce_reason *reason, char const *peer, size_t length)
{
    char const *const bracket = memchr(peer, '[', length);
    size_t name = bracket ? (size_t)(bracket - peer) : length;
    if (bracket == peer) {
        char const *const end = memchr(peer, ']', length);
        peer++;
        name = end ? (size_t)(end - peer) : 0;
    }
    for (size_t i = 0; i < name; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:" DIGITS, peer[i]))
            return;
    reason->peer = peer;
    reason->peer_length = name;
}

void bounce_reason_parse(struct bounce_reason *reason, char const *text, char standard)
{
    static char const said[] = " said: ";
    size_t const length = code_length(text, standard);
    *reason = (struct bounce_reason){.peer = "", .reply = ""};
    if (length)
        memcpy(reason->code, text, length);
    else
        memcpy(reason->code, (char const[]){standard, '.', '0', '.', '0', 0}, 6);
    reason->words = find_words(reason->code);
    char const *const peer = text + length + (length && text[length] == ' ');
    size_t const peer_length = strcspn(peer, " ");
    if (!peer_length || strncmp(peer + peer_length, said, sizeof said - 1) != 0)
        return;
    char const *const reply = peer + peer_length + sizeof said - 1;
    if (strspn(reply, DIGITS) != 3)
        return;
    reason->reply = reply;
    take_peer(reason, peer, peer_length);
}

bool bounce_show(stralloc *out, char const *bytes, size_t length, size_t maximum, bool utf8)
{
    static char const cut[] = "...";
    size_t const start = out->len;
    for (size_t i = 0; i < length;) {
        unsigned char const byte = (unsigned char)bytes[i];
        size_t size = byte < 0x80 ? 1 : utf8 ? utf8_next(bytes + i, length - i) : 0;
        bool const good = byte < 0x80 ? byte >= ' ' && byte != 0x7f : size > 0;
        if (size == 0)
            size = 1;
        /* Room is kept for the cut, unless what is left fits as well. */
        if (out->len - start + (length - i) > maximum &&
            out->len - start + size + sizeof cut - 1 > maximum)
            return maximum < sizeof cut - 1 || stralloc_catb(out, cut, sizeof cut - 1);
        if (good ? !stralloc_catb(out, bytes + i, size) : !stralloc_append(out, '?'))
            return false;
        i += size;
    }
    return true;
}

bool bounce_show_address(stralloc *out, char const *address, size_t length, bool utf8)
{
    stralloc quoted = STRALLOC_ZERO;
    bool const shown = address_quote(&quoted, address, length) &&
                       bounce_show(out, quoted.s, quoted.len, ADDRESS_SHOWN_MAX, utf8);
    stralloc_free(&quoted);
    return shown;
}

bool bounce_is_ascii(char const *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)bytes[i] > 0x7f)
            return false;
    return true;
}

bool bounce_is_utf8(char const *bytes, size_t length)
{
    return !bounce_is_ascii(bytes, length) && address_is_utf8(bytes, length);
}
