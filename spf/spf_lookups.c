#include "spf/spf_lookups.h"

#include <errno.h>
#include <string.h>

#include <skalibs/iopause.h>

static void note_answer(void *context, struct dns_answer *answer)
{
    struct spf_lookups *lookups = context;
    for (size_t i = 0; i < SPF_LOOKUPS_MAX; i++)
        if (&lookups->entries[i].answer == answer)
            lookups->entries[i].answered = true;
}

void spf_lookups_start(struct spf_lookups *lookups, struct dns_servers const *servers)
{
    lookups->batch.servers = servers;
    lookups->batch.answered = note_answer;
    lookups->batch.context = lookups;
}

size_t spf_lookups_ahead(struct spf_lookups const *lookups)
{
    size_t count = 0;
    for (size_t i = 0; i < SPF_LOOKUPS_MAX; i++)
        count += lookups->entries[i].used && !lookups->entries[i].claimed;
    return count;
}

/* The place of QUESTION that nobody waits for; a new one, which was asked. NULL: no room. */
static struct spf_lookup *find(struct spf_lookups *lookups, struct dns_question const *question,
                               tain const *deadline)
{
    struct spf_lookup *room = NULL;
    for (size_t i = 0; i < SPF_LOOKUPS_MAX; i++) {
        struct spf_lookup *entry = lookups->entries + i;
        if (!entry->used)
            room = entry;
        else if (!entry->claimed && entry->type == question->type &&
                 strcmp(entry->name, question->name) == 0)
            return entry;
    }
    if (!room || strlen(question->name) >= sizeof room->name)
        return NULL;
    strcpy(room->name, question->name);
    room->type = question->type;
    room->used = true;
    room->claimed = room->answered = false;
    if (!dns_batch_ask(&lookups->batch, question, &room->answer, deadline))
        room->answered = true;
    return room;
}

void spf_lookups_ask(struct spf_lookups *lookups, struct dns_question const *question,
                     tain const *deadline)
{
    find(lookups, question, deadline);
}

/* Waits until something came or a next try is due, and serves that. */
static void wait_and_serve(struct dns_batch *batch, tain const *deadline)
{
    iopause_fd waits[DNS_ASK_MAX];
    tain nearest = *deadline;
    unsigned int const count = dns_batch_waits(batch, waits, &nearest);
    int const ready = iopause_g(waits, count, &nearest);
    if (ready < 0 && errno != EINTR) {
        dns_batch_give_up(batch);
        return;
    }
    if (ready <= 0) {
        tain_now_g();
        for (unsigned int i = 0; i < count; i++)
            waits[i].revents = 0;
    }
    dns_batch_serve(batch, waits);
}

void spf_lookups_take(struct spf_lookups *lookups, struct dns_question const *questions,
                      struct dns_answer *answers, size_t count, tain const *deadline)
{
    struct spf_lookup *entries[SPF_LOOKUPS_MAX];
    for (size_t i = 0; i < count; i++) {
        entries[i] = find(lookups, questions + i, deadline);
        if (entries[i])
            entries[i]->claimed = true;
    }
    for (size_t i = 0; i < count; i++) {
        if (!entries[i]) {
            answers[i] = (struct dns_answer){
                .status = DNS_TEMPORARY, .reason = "too many look-ups", .bytes = STRALLOC_ZERO};
            continue;
        }
        while (!entries[i]->answered)
            wait_and_serve(&lookups->batch, deadline);
        answers[i] = entries[i]->answer;
        entries[i]->used = false;
    }
}
