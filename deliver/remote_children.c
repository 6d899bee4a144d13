#include "deliver/remote_children.h"

#include <stddef.h>

struct remote_child *remote_children_find(struct remote_children *children,
                                          struct smtproute const *route, uint64_t serial)
{
    struct remote_child *found = NULL;
    for (unsigned int i = 0; i < children->count; i++) {
        struct remote_child *const child = children->entries + i;
        if (child->state == REMOTE_CHILD_IDLE && child->serial == serial &&
            (!found || tain_less(&found->deadline, &child->deadline)) &&
            smtproutes_are_same(&child->route, route))
            found = child;
    }
    return found;
}

void remote_children_bound_idle(struct remote_children *children, struct remote_child *child)
{
    struct remote_child *oldest = child;
    unsigned int count = 0;
    for (unsigned int i = 0; i < children->count; i++)
        if (children->entries[i].state == REMOTE_CHILD_IDLE) {
            count++;
            if (tain_less(&children->entries[i].deadline, &oldest->deadline))
                oldest = children->entries + i;
        }
    if (count > REMOTE_CHILDREN_IDLE_MAX)
        remote_child_let_go(oldest);
}

void remote_children_let_go(struct remote_children *children)
{
    for (unsigned int i = 0; i < children->count; i++)
        if (children->entries[i].state == REMOTE_CHILD_IDLE)
            remote_child_let_go(children->entries + i);
}

unsigned int remote_children_dispensable(struct remote_children const *children)
{
    unsigned int found = children->count;
    for (unsigned int i = 0; i < children->count; i++) {
        struct remote_child const *const child = children->entries + i;
        if (!child->waiting && child->state != REMOTE_CHILD_IDLE)
            return i;
        if (!child->waiting)
            found = i;
    }
    return found;
}
