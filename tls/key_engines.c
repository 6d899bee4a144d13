#include "tls/key_engines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/log.h"

bool key_engines_watch(struct key_engines const *engines, int descriptor, void *pointer)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = pointer};
    return epoll_ctl(engines->poll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void key_engines_add(struct key_engines *engines, int descriptor)
{
    struct key_engine *const engine =
        engines->count < KEY_ENGINES_MAX ? calloc(1, sizeof *engine) : NULL;
    if (!engine || !key_resume_start(&engine->resume) ||
        !key_engines_watch(engines, descriptor, engine)) {
        log_failure("channel-refused", "too many, or out of memory", errno);
        free(engine);
        close(descriptor);
        return;
    }
    engine->descriptor = descriptor;
    engine->next = engines->first;
    if (engine->next)
        engine->next->previous = engine;
    engines->first = engine;
    engines->count++;
}

void key_engines_stop_waiting(struct key_engines *engines, struct key_engine *engine)
{
    engines->waiting -= engine->waits;
    engine->waits = false;
}

void key_engines_drop(struct key_engines *engines, struct key_engine *engine)
{
    key_engines_stop_waiting(engines, engine);
    if (engine->previous)
        engine->previous->next = engine->next;
    else
        engines->first = engine->next;
    if (engine->next)
        engine->next->previous = engine->previous;
    engines->count--;
    close(engine->descriptor);
    explicit_bzero(engine, sizeof *engine);
    free(engine);
}
