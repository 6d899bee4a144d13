/* A message of the queue as it is shown to people. */
#ifndef EKIDEN_QUEUE_ITEM_H
#define EKIDEN_QUEUE_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue_file.h"

enum queue_item_state {
    QUEUE_ITEM_NEW,      /* never tried */
    QUEUE_ITEM_DEFERRED, /* is tried again later */
    QUEUE_ITEM_HELD,     /* by an operator */
    QUEUE_ITEM_BAD,      /* damaged: set aside, or found so now */
    QUEUE_ITEM_STATES
};

struct queue_item {
    enum queue_item_state state;
    int place; /* queue/send_place.h */
    char const *id;
    char const *sender;           /* empty where it is bad */
    uint64_t size;                /* bytes of the message; of the file where it is bad */
    uint64_t arrival;             /* seconds since 1970; where it is bad, as its name says */
    uint64_t due;                 /* when it is tried again, or was to be; 0: not deferred */
    struct queue_message message; /* owned; without recipients where it is bad */
};

enum queue_item_result {
    QUEUE_ITEM_READ,
    QUEUE_ITEM_NONE, /* no file, or one in new/ that is not complete: nobody has accepted it */
    QUEUE_ITEM_ERROR /* errno */
};

/* Reads the file ID behind DESCRIPTOR, which lies at PLACE. *item is to be freed after
 * QUEUE_ITEM_READ; ID must stay valid that long. */
enum queue_item_result queue_item_read(struct queue_item *item, int place, char const *id,
                                       int descriptor);
void queue_item_free(struct queue_item *item);

/* `new`, `deferred`, `held`, `bad`. */
char const *queue_item_state_name(enum queue_item_state state);

/* The state that PLACE means. */
enum queue_item_state queue_item_state_of(int place);

#endif
