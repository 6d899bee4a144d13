/* The remote transactions that are under way. A transaction ends when each of its recipients has
 * been answered, and what the answers say of its destination is known then. */
#ifndef EKIDEN_SEND_TRANSACTIONS_H
#define EKIDEN_SEND_TRANSACTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/job.h"
#include "queue/send_destinations.h"

#define SEND_TRANSACTIONS_MAX 500

struct send_transaction {
    struct send_line *line;  /* at its destination */
    unsigned int recipients; /* without an answer; 0: a free place */
    enum send_destination_verdict verdict;
};
struct send_transactions {
    struct send_transaction table[SEND_TRANSACTIONS_MAX];
    unsigned int count;
};

/* Notes one of RECIPIENTS (not 0); there must be room. Returns its number. */
unsigned int send_transactions_begin(struct send_transactions *transactions, struct send_line *line,
                                     unsigned int recipients);

/* A recipient of TRANSACTION was answered by RESULT, or not at all (NULL). Returns the transaction
 * when it was the last: it has ended, and its verdict is known; else NULL. */
struct send_transaction const *send_transactions_answer(struct send_transactions *transactions,
                                                        unsigned int transaction,
                                                        enum job_result const *result);

#endif
