/* Which messages are meant: by sender, recipient and state. */
#ifndef EKIDEN_QUEUE_SELECT_H
#define EKIDEN_QUEUE_SELECT_H

#include <stdbool.h>

#include "queue/queue_item.h"

struct queue_select {
    bool all;              /* --all: whatever the rest allows */
    char const *sender;    /* ADDRESS, @DOMAIN or <>; NULL: any */
    char const *recipient; /* ADDRESS or @DOMAIN, of one that still waits; NULL: any */
    char const *domain;    /* the same as @DOMAIN */
    unsigned int states;   /* bits 1 << enum queue_item_state; 0: any */
};

/* Does it name messages in any way? */
bool queue_select_is_given(struct queue_select const *select);

/* Adds the state NAME. False: there is none of this name. */
bool queue_select_state(struct queue_select *select, char const *name);

/* Capitals do not count. A damaged message has no sender and no recipients. */
bool queue_select_fits(struct queue_select const *select, struct queue_item const *item);

#endif
