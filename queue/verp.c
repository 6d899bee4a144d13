#include "queue/verp.h"

#include <string.h>

#define TAIL_LENGTH (sizeof VERP_TAIL - 1)

/* The length of the part before VERP_TAIL, and in *at where its last @ is. 0: not of this form. */
static size_t find(char const *sender, size_t *at)
{
    size_t const length = strlen(sender);
    if (length <= TAIL_LENGTH || length > ENVELOPE_ADDRESS_MAX ||
        memcmp(sender + length - TAIL_LENGTH, VERP_TAIL, TAIL_LENGTH) != 0)
        return 0;
    char const *const found = memrchr(sender, '@', length - TAIL_LENGTH);
    if (!found)
        return 0;
    *at = (size_t)(found - sender);
    return length - TAIL_LENGTH;
}

bool verp_is(char const *sender)
{
    size_t at;
    return find(sender, &at) != 0;
}

char const *verp_owner(char out[VERP_SIZE], char const *sender)
{
    size_t at;
    size_t const length = find(sender, &at);
    if (!length)
        return sender;
    memcpy(out, sender, length);
    out[length] = 0;
    return out;
}

char const *verp_sender(char out[VERP_SIZE], char const *sender, char const *recipient)
{
    size_t at;
    size_t const length = find(sender, &at), more = strlen(recipient);
    char const *const domain = strrchr(recipient, '@');
    if (!length || !domain || length + more > ENVELOPE_ADDRESS_MAX)
        return verp_owner(out, sender);
    memcpy(out, sender, at);
    memcpy(out + at, recipient, more);
    out[at + (size_t)(domain - recipient)] = '=';
    memcpy(out + at + more, sender + at, length - at);
    out[length + more] = 0;
    return out;
}
