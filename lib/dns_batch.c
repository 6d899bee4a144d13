#include "lib/dns_batch.h"

#include <stdlib.h>

/* Tells of those that are finished, and keeps the others in order. */
static void collect(struct dns_batch *batch)
{
    struct dns_answer *answered[DNS_ASK_MAX];
    size_t kept = 0, done = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct dns_exchange *const exchange = batch->exchanges[i];
        if (!exchange->finished) {
            batch->exchanges[kept++] = exchange;
            continue;
        }
        answered[done++] = exchange->answer;
        free(exchange);
    }
    batch->count = kept;
    for (size_t i = 0; i < done && batch->answered; i++)
        batch->answered(batch->context, answered[i]);
}

bool dns_batch_ask(struct dns_batch *batch, struct dns_question const *question,
                   struct dns_answer *answer, tain const *deadline)
{
    struct dns_exchange *const exchange =
        batch->count < DNS_ASK_MAX ? malloc(sizeof *exchange) : NULL;
    if (!exchange) {
        *answer = (struct dns_answer){
            .status = DNS_TEMPORARY, .reason = "out of memory", .bytes = STRALLOC_ZERO};
        return false;
    }
    dns_exchange_begin(exchange, batch->servers, question, answer, deadline);
    if (!exchange->finished) {
        batch->exchanges[batch->count++] = exchange;
        return true;
    }
    free(exchange);
    return false;
}

unsigned int dns_batch_waits(struct dns_batch const *batch, iopause_fd waits[DNS_ASK_MAX],
                             tain *deadline)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct dns_exchange const *const exchange = batch->exchanges[i];
        if (tain_less(&exchange->deadline, deadline))
            *deadline = exchange->deadline;
        waits[i] = (iopause_fd){.fd = exchange->descriptor,
                                .events = exchange->writes ? IOPAUSE_WRITE : IOPAUSE_READ};
    }
    return (unsigned int)batch->count;
}

void dns_batch_serve(struct dns_batch *batch, iopause_fd const waits[DNS_ASK_MAX])
{
    for (size_t i = 0; i < batch->count; i++) {
        struct dns_exchange *const exchange = batch->exchanges[i];
        /* What has come counts, even when we come late to it. */
        if (waits[i].revents)
            dns_exchange_serve(exchange);
        if (exchange->finished || tain_future(&exchange->deadline))
            continue;
        if (tain_future(&exchange->end))
            dns_exchange_time_out(exchange);
        else
            dns_exchange_fail(exchange, DNS_SILENCE);
    }
    collect(batch);
}

void dns_batch_give_up(struct dns_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        dns_exchange_fail(batch->exchanges[i], DNS_SILENCE);
    collect(batch);
}
