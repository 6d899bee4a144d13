/* Many questions on their way at once, without a wait: for a loop that has more to do than DNS.
 * lib/dns's dns_ask is one around it. */
#ifndef EKIDEN_DNS_BATCH_H
#define EKIDEN_DNS_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/iopause.h>
#include <skalibs/tai.h>

#include "lib/dns.h"
#include "lib/dns_exchange.h"

struct dns_batch {
    struct dns_servers const *servers;           /* must outlive the batch */
    struct dns_exchange *exchanges[DNS_ASK_MAX]; /* those not finished; owned */
    size_t count;
    /* Called when an answer is there; it may ask in turn. NULL: nobody is told. */
    void (*answered)(void *context, struct dns_answer *answer);
    void *context;
};

/* Asks. ANSWER needs no initialisation, must stay where it is until it is there, and be freed.
 * False: it is there already, `answered` is not called (what cannot be sent; DNS_ASK_MAX are on
 * their way). DEADLINE as for dns_ask. */
bool dns_batch_ask(struct dns_batch *batch, struct dns_question const *question,
                   struct dns_answer *answer, tain const *deadline);

/* Fills in what to wait for, and brings *DEADLINE forward to the end of the try that ends first.
 * Returns how many that are: batch->count. */
unsigned int dns_batch_waits(struct dns_batch const *batch, iopause_fd waits[DNS_ASK_MAX],
                             tain *deadline);

/* Serves what WAITS of the last dns_batch_waits became, with nothing asked in between, and begins
 * the next tries. The global stamp is now. */
void dns_batch_serve(struct dns_batch *batch, iopause_fd const waits[DNS_ASK_MAX]);

/* Ends all with DNS_TEMPORARY, for silence; `answered` must not ask. */
void dns_batch_give_up(struct dns_batch *batch);

#endif
