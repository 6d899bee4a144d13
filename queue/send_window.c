#include "queue/send_window.h"

#include <stdlib.h>

bool send_window_reserve(struct send_window *window, uint32_t recipients)
{
    uint32_t const capacity = recipients < SEND_WINDOW_MAX ? recipients : SEND_WINDOW_MAX;
    if (window->capacity || !capacity)
        return true;
    window->entries = calloc(capacity, sizeof *window->entries);
    window->groups = calloc(capacity, sizeof *window->groups);
    if (!window->entries || !window->groups) {
        send_window_free(window);
        return false;
    }
    window->capacity = capacity;
    return true;
}

void send_window_free(struct send_window *window)
{
    free(window->entries);
    free(window->groups);
    *window = (struct send_window){.entries = NULL};
}

static int compare(void const *one, void const *other)
{
    struct send_window_entry const *const a = one, *const b = other;
    if (a->destination != b->destination)
        return a->destination < b->destination ? -1 : 1;
    return a->recipient < b->recipient ? -1 : a->recipient > b->recipient;
}

static int compare_groups(void const *one, void const *other)
{
    struct send_window_group const *const a = one, *const b = other;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

void send_window_open(struct send_window *window)
{
    uint32_t kept = 0;
    /* In the order of their entries, so that nothing is overwritten before it was moved. */
    if (window->group_count)
        qsort(window->groups, window->group_count, sizeof *window->groups, compare_groups);
    for (uint32_t group = 0; group < window->group_count; group++)
        for (uint32_t i = window->groups[group].begin; i < window->groups[group].end; i++)
            window->entries[kept++] = window->entries[i];
    window->entry_count = kept;
    window->group_count = 0;
}

uint32_t send_window_room(struct send_window const *window)
{
    return window->capacity - window->left;
}

void send_window_add(struct send_window *window, uint64_t destination, uint32_t recipient)
{
    window->entries[window->entry_count++] =
        (struct send_window_entry){.destination = destination, .recipient = recipient};
    window->left++;
}

void send_window_close(struct send_window *window)
{
    if (window->entry_count)
        qsort(window->entries, window->entry_count, sizeof *window->entries, compare);
    for (uint32_t i = 0; i < window->entry_count; i++) {
        uint64_t const destination = window->entries[i].destination;
        if (i == 0 || window->entries[i - 1].destination != destination)
            window->groups[window->group_count++] =
                (struct send_window_group){.destination = destination, .begin = i};
        window->groups[window->group_count - 1].end = i + 1;
    }
}

uint32_t send_window_first(struct send_window const *window, uint32_t group)
{
    return window->entries[window->groups[group].begin].recipient;
}

bool send_window_take(struct send_window *window, uint32_t group)
{
    window->left--;
    if (++window->groups[group].begin < window->groups[group].end)
        return true;
    window->groups[group] = window->groups[--window->group_count];
    return false;
}

uint32_t send_window_drop(struct send_window *window, uint32_t next)
{
    for (uint32_t group = 0; group < window->group_count; group++)
        for (uint32_t i = window->groups[group].begin; i < window->groups[group].end; i++)
            if (window->entries[i].recipient < next)
                next = window->entries[i].recipient;
    window->entry_count = window->group_count = window->left = 0;
    return next;
}
