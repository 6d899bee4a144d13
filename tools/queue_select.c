#include "tools/queue_select.h"

#include <string.h>
#include <strings.h>

bool queue_select_is_given(struct queue_select const *select)
{
    return select->all || select->sender || select->recipient || select->domain || select->states;
}

bool queue_select_state(struct queue_select *select, char const *name)
{
    for (enum queue_item_state state = 0; state < QUEUE_ITEM_STATES; state++)
        if (!strcmp(name, queue_item_state_name(state))) {
            select->states |= 1u << state;
            return true;
        }
    return false;
}

static bool has_domain(char const *address, char const *domain)
{
    char const *const at = strrchr(address, '@');
    return at && !strcasecmp(at + 1, domain);
}

static bool fits(char const *wanted, char const *address)
{
    return *wanted == '@' ? has_domain(address, wanted + 1) : !strcasecmp(wanted, address);
}

static bool has_recipient(struct queue_select const *select, struct queue_message const *message)
{
    for (uint32_t i = 0; i < message->recipient_count; i++) {
        struct queue_recipient const *const recipient = message->recipients + i;
        if ((recipient->mark == ENVELOPE_TODO || recipient->mark == ENVELOPE_FAILED) &&
            (!select->recipient || fits(select->recipient, recipient->address)) &&
            (!select->domain || has_domain(recipient->address, select->domain)))
            return true;
    }
    return false;
}

bool queue_select_fits(struct queue_select const *select, struct queue_item const *item)
{
    if (select->states && !(select->states >> item->state & 1))
        return false;
    if (item->state == QUEUE_ITEM_BAD && (select->sender || select->recipient || select->domain))
        return false;
    if (select->sender && !fits(strcmp(select->sender, "<>") ? select->sender : "", item->sender))
        return false;
    return (!select->recipient && !select->domain) || has_recipient(select, &item->message);
}
