#include "deliver/dsn_fields.h"

#include <string.h>

#include "lib/fields.h"
#include "queue/envelope.h"

static bool add(stralloc *out, enum envelope_letter letter, char const *text)
{
    return stralloc_append(out, (char)letter) && fields_add_text(out, text);
}

bool dsn_fields_add_message(stralloc *out, struct dsn_message const *message)
{
    char const wish[2] = {(char)message->return_wish, 0};
    return (!message->envid || add(out, ENVELOPE_ENVID, message->envid)) &&
           (!*wish || add(out, ENVELOPE_RETURN, wish));
}

bool dsn_fields_add_recipient(stralloc *out, struct dsn_recipient const *recipient)
{
    return (!recipient->notify ||
            add(out, ENVELOPE_NOTIFY, dsn_notify_letters(recipient->notify))) &&
           (!recipient->orcpt || add(out, ENVELOPE_ORCPT, recipient->orcpt));
}

/* The field's content. NULL: it is LETTER's not. */
static char const *next(enum envelope_letter letter, char const **bytes, size_t *length)
{
    if (!*length || **bytes != (char)letter)
        return NULL;
    char const *const field = fields_next(bytes, length);
    return field ? field + 1 : NULL;
}

bool dsn_fields_next_message(struct dsn_message *message, char const **bytes, size_t *length)
{
    message->envid = next(ENVELOPE_ENVID, bytes, length);
    char const *const wish = next(ENVELOPE_RETURN, bytes, length);
    message->return_wish = wish ? (enum dsn_return) * wish : DSN_RETURN_UNSET;
    return (!message->envid || dsn_is_envid(message->envid, strlen(message->envid))) &&
           (!wish || !strcmp(wish, "F") || !strcmp(wish, "H"));
}

bool dsn_fields_next_recipient(struct dsn_recipient *recipient, char const **bytes, size_t *length)
{
    char const *const letters = next(ENVELOPE_NOTIFY, bytes, length);
    recipient->notify = letters ? dsn_notify_bits(letters, strlen(letters)) : 0;
    recipient->orcpt = next(ENVELOPE_ORCPT, bytes, length);
    return (!letters || recipient->notify) &&
           (!recipient->orcpt || dsn_is_orcpt(recipient->orcpt, strlen(recipient->orcpt)));
}
