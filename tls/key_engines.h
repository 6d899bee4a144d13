/* The engines that the key process serves: of each its channel, and what was said on it so far. */
#ifndef EKIDEN_KEY_ENGINES_H
#define EKIDEN_KEY_ENGINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/key_protocol.h"
#include "tls/key_resume.h"

#define KEY_ENGINES_MAX 50000

struct key_engine {
    struct key_engine *previous, *next;
    int descriptor; /* of the channel, whose other end is the engine's */
    unsigned int opens;
    bool is_signed;
    struct key_resume resume;
    struct key_entry *entry; /* whose chain was given last; 0: none; the caller's to release */
    bool waits;              /* for files that are just being replaced */
    int64_t since;           /* when that began, in milliseconds */
    size_t length;
    char name[KEY_NAME_MAX]; /* for which it waits */
};

struct key_engines {
    int poll; /* epoll; an event has its engine for data */
    struct key_engine *first;
    size_t count, waiting;
};

/* Has POINTER come with an event as soon as DESCRIPTOR can be read. False: errno. */
bool key_engines_watch(struct key_engines const *engines, int descriptor, void *pointer);

/* A new one, watched, with the channel DESCRIPTOR, which is closed when there is no room. */
void key_engines_add(struct key_engines *engines, int descriptor);

/* It waits for no files, or no longer. */
void key_engines_stop_waiting(struct key_engines *engines, struct key_engine *engine);

/* Closes its channel, and wipes what was said. */
void key_engines_drop(struct key_engines *engines, struct key_engine *engine);

#endif
