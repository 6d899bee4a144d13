#include "judge/asking.h"

#include <stdlib.h>
#include <string.h>

#define NAME_KEPT_MAX 253

static struct lookup const exhausted = {
    .answer = {.status = DNS_TEMPORARY, .reason = "too many names in one session"},
    .finished = true};
static struct lookup const no_memory = {
    .answer = {.status = DNS_TEMPORARY, .reason = "out of memory"}, .finished = true};

/* --- what is kept of an answer --- */

/* How many records of ANSWER are kept. */
static size_t wanted_records(struct dns_answer const *answer, enum dns_type type)
{
    size_t const most = type == DNS_TXT                     ? 1
                        : type == DNS_A || type == DNS_AAAA ? ASKING_ADDRESSES
                                                            : ASKING_NAMES;
    return answer->count < most ? answer->count : most;
}

/* Copies a text behind those of KEPT, which have room. A name of more than 253 bytes is that of no
 * host, and we would not ask for it: `*` (empty is the root, and has a meaning in MX). */
static void keep_text(struct dns_answer *kept, struct dns_record *record, enum dns_type type)
{
    char *const text = kept->bytes.s + kept->bytes.len;
    bool const is_long = type != DNS_TXT && record->length > NAME_KEPT_MAX;
    char const *const from = is_long ? "*" : record->text;
    size_t length = is_long ? 1 : record->length;
    if (type == DNS_TXT && length > ASKING_TEXT)
        length = ASKING_TEXT;
    memcpy(text, from, length);
    text[length] = 0;
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            text[i] = '?'; /* of TXT, which may be any bytes, and is a string from here on */
    kept->bytes.len += length + 1;
    record->text = text;
    record->length = length;
}

/* An answer may be 170 KiB; rules need little of it. */
static void shorten(struct dns_answer *answer, enum dns_type type)
{
    struct dns_answer kept = {.status = DNS_OK, .bytes = STRALLOC_ZERO};
    size_t const count = wanted_records(answer, type);
    if (answer->count == 0)
        return;
    kept.records = malloc(count * sizeof *kept.records);
    if (!kept.records || !stralloc_ready(&kept.bytes, count * (NAME_KEPT_MAX + 1))) {
        free(kept.records);
        dns_answer_free(answer);
        answer->status = DNS_TEMPORARY;
        answer->reason = no_memory.answer.reason;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        kept.records[i] = answer->records[i];
        if (kept.records[i].text)
            keep_text(&kept, &kept.records[i], type);
    }
    kept.count = count;
    dns_answer_free(answer);
    *answer = kept;
}

/* --- what is under way --- */

static void finish(struct lookup *lookup)
{
    lookup->finished = true;
    shorten(&lookup->answer, lookup->type);
}

/* ANSWER is the first member of its look-up. */
static void on_answer(void *context, struct dns_answer *answer)
{
    (void)context;
    finish((struct lookup *)answer);
}

/* Begins what there is room for. */
static void begin(struct asking *asking)
{
    while (asking->begun < asking->count && asking->batch.count < ASKING_AT_ONCE) {
        struct lookup *const lookup = asking->lookups[asking->begun++];
        struct dns_question const question = {.name = lookup->name, .type = lookup->type};
        tain deadline = asking->deadline;
        if (lookup->whom == ASKING_STRANGERS)
            tain_sub(&deadline, &deadline, &asking->kept);
        if (!tain_future(&deadline)) {
            lookup->answer = (struct dns_answer){.status = DNS_TEMPORARY,
                                                 .reason = "the session's time for DNS is over",
                                                 .bytes = STRALLOC_ZERO};
            lookup->finished = true;
        } else if (!dns_batch_ask(&asking->batch, &question, &lookup->answer, &deadline)) {
            finish(lookup);
        }
    }
    if (asking->batch.count > 0 || !asking->under_way)
        return;
    asking->under_way = false;
    if (tain_future(&asking->deadline))
        tain_sub(&asking->left, &asking->deadline, &STAMP);
    else
        asking->left = tain_zero;
}

void asking_start(struct asking *asking, struct dns_servers const *servers, uint64_t seconds)
{
    *asking = (struct asking){.batch = {.servers = servers, .answered = on_answer}};
    tain_uint(&asking->left, (unsigned int)seconds);
    tain_from_millisecs(&asking->kept, (int)(seconds * 1000 / ASKING_KEPT));
}

struct lookup const *asking_look_up(struct asking *asking, enum asking_whom whom, char const *name,
                                    enum dns_type type)
{
    for (size_t i = 0; i < asking->count; i++)
        if (asking->lookups[i]->type == type && asking->lookups[i]->whom == whom &&
            !strcmp(asking->lookups[i]->name, name))
            return asking->lookups[i];
    if (asking->count == ASKING_MAX) {
        asking->exhausted = true;
        return &exhausted;
    }
    struct lookup *const lookup = calloc(1, sizeof *lookup);
    char *const copy = strdup(name);
    if (!lookup || !copy) {
        free(lookup);
        free(copy);
        return &no_memory;
    }
    lookup->whom = whom;
    lookup->type = type;
    lookup->name = copy;
    asking->lookups[asking->count++] = lookup;
    if (!asking->under_way) {
        asking->under_way = true;
        tain_add_g(&asking->deadline, &asking->left);
    }
    begin(asking);
    return lookup;
}

unsigned int asking_waits(struct asking const *asking, iopause_fd waits[DNS_ASK_MAX],
                          tain *deadline)
{
    return dns_batch_waits(&asking->batch, waits, deadline);
}

void asking_serve(struct asking *asking, iopause_fd const waits[DNS_ASK_MAX])
{
    dns_batch_serve(&asking->batch, waits);
    begin(asking);
}
