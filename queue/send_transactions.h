/* The remote transactions that are under way: how many, and how many of them go to one
 * destination. A transaction ends when each of its recipients has been answered. */
#ifndef EKIDEN_SEND_TRANSACTIONS_H
#define EKIDEN_SEND_TRANSACTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define SEND_TRANSACTIONS_MAX 500

struct send_transaction {
    uint64_t destination;    /* its hash */
    unsigned int recipients; /* without an answer; 0: a free place */
};
struct send_transactions {
    struct send_transaction table[SEND_TRANSACTIONS_MAX];
    unsigned int count;
};

/* One destination may have half of the LIMIT on all transactions, but one at least: whatever
 * becomes of a host, others find a place. True when DESTINATION has all of its. */
bool send_transactions_is_capped(struct send_transactions const *transactions, uint64_t destination,
                                 uint64_t limit);

/* Notes one of RECIPIENTS (not 0); there must be room. Returns its number. */
unsigned int send_transactions_begin(struct send_transactions *transactions, uint64_t destination,
                                     unsigned int recipients);
/* A recipient of TRANSACTION was answered. True when it was the last: it has ended. */
bool send_transactions_answer(struct send_transactions *transactions, unsigned int transaction);

#endif
