#include "queue/bounce_failures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bounce_reason.h"
#include "queue/notes.h"

/* One way through the notes. */
struct walk {
    struct bounce_failures *failures;
    struct queue_message const *message;
    enum report_kind kind;
    unsigned char *delayed; /* a bit a recipient, while those with a note are looked for */
};

static bool mark_delayed(void *context, enum notes_letter letter, uint32_t index, char const *text)
{
    struct walk *const walk = context;
    (void)text;
    if (letter == NOTES_DELAYED && index < walk->message->recipient_count)
        walk->delayed[index / 8] |= (unsigned char)(1u << index % 8);
    return true;
}

static void add(struct bounce_failures *failures, uint32_t index)
{
    if (failures->shown < BOUNCE_SHOWN_MAX) {
        struct bounce_failure *const failure = failures->list + failures->shown++;
        failure->index = index;
        failure->letter = NOTES_WARNED; /* none yet */
        failure->text[0] = 0;
    }
    failures->count++;
}

static bool find_delayed(struct walk *walk, int notes)
{
    struct queue_message const *const message = walk->message;
    walk->delayed = calloc(message->recipient_count / 8 + 1, 1);
    if (!walk->delayed) {
        errno = ENOMEM;
        return false;
    }
    bool const read = notes_read(notes, mark_delayed, walk);
    int const saved = errno;
    for (uint32_t i = 0; read && i < message->recipient_count; i++)
        if (message->recipients[i].mark == ENVELOPE_TODO &&
            (walk->delayed[i / 8] & 1u << i % 8) != 0)
            add(walk->failures, i);
    free(walk->delayed);
    errno = saved;
    return read;
}

static void find_marked(struct walk *walk, enum envelope_mark mark)
{
    struct queue_message const *const message = walk->message;
    for (uint32_t i = 0; i < message->recipient_count; i++)
        if (message->recipients[i].mark == mark)
            add(walk->failures, i);
}

static int compare_index(void const *key, void const *element)
{
    uint32_t const index = *(uint32_t const *)key;
    uint32_t const other = ((struct bounce_failure const *)element)->index;
    return index < other ? -1 : index > other;
}

static bool is_about(enum report_kind kind, enum notes_letter letter)
{
    switch (letter) {
    case NOTES_FAILED:
        return kind == REPORT_FAILURE;
    case NOTES_DELAYED:
        return kind == REPORT_DELAY;
    case NOTES_DELIVERED:
    case NOTES_RELAYED:
    case NOTES_EXPANDED:
        return kind == REPORT_SUCCESS;
    case NOTES_WARNED:
        break;
    }
    return false;
}

/* Of several notes the last one counts: it replaces those before. */
static bool keep_text(void *context, enum notes_letter letter, uint32_t index, char const *text)
{
    struct walk *const walk = context;
    struct bounce_failures *const failures = walk->failures;
    if (!is_about(walk->kind, letter))
        return true;
    struct bounce_failure *const failure =
        bsearch(&index, failures->list, failures->shown, sizeof *failures->list, compare_index);
    if (failure) {
        size_t const length = strnlen(text, JOB_TEXT_MAX);
        failure->letter = letter;
        memcpy(failure->text, text, length);
        failure->text[length] = 0;
    }
    return true;
}

/* Without a note a success is only known to have left us. */
static void complete(struct bounce_failures *failures, enum report_kind kind,
                     struct queue_message const *message)
{
    static char const *const unknown[REPORT_KINDS] = {
        [REPORT_FAILURE] = "5.0.0 the reason stands in our log only",
        [REPORT_DELAY] = "4.0.0 the reason stands in our log only",
        [REPORT_SUCCESS] = "2.0.0 where it went stands in our log only"};
    for (uint32_t i = 0; i < failures->shown; i++) {
        struct bounce_failure *const failure = failures->list + i;
        struct queue_recipient const *const recipient = message->recipients + failure->index;
        char const *const orcpt = queue_recipient_orcpt(recipient);
        if (!failure->text[0])
            snprintf(failure->text, sizeof failure->text, "%s", unknown[kind]);
        if (kind == REPORT_SUCCESS && failure->letter == NOTES_WARNED)
            failure->letter = NOTES_RELAYED;
        failures->utf8 |= bounce_is_utf8(recipient->address, recipient->length) ||
                          (orcpt && bounce_is_utf8(orcpt, strlen(orcpt))) ||
                          bounce_is_utf8(failure->text, strlen(failure->text));
    }
}

bool bounce_failures_find(struct bounce_failures *failures, enum report_kind kind,
                          struct queue_message const *message, int notes)
{
    struct walk walk = {.failures = failures, .message = message, .kind = kind};
    failures->count = failures->shown = 0;
    failures->utf8 = false;
    if (kind != REPORT_DELAY)
        find_marked(&walk, kind == REPORT_FAILURE ? ENVELOPE_FAILED : ENVELOPE_DELIVERED);
    else if (!find_delayed(&walk, notes))
        return false;
    if (!failures->count)
        return true;
    if (!notes_read(notes, keep_text, &walk))
        return false;
    complete(failures, kind, message);
    return true;
}
