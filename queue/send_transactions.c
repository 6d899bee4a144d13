#include "queue/send_transactions.h"

#include <stddef.h>

unsigned int send_transactions_begin(struct send_transactions *transactions, struct send_line *line,
                                     unsigned int recipients)
{
    unsigned int place = 0;
    while (transactions->table[place].recipients)
        place++;
    transactions->table[place] = (struct send_transaction){.line = line, .recipients = recipients};
    transactions->count++;
    return place;
}

/* C is about the file, not about the destination. */
static enum send_destination_verdict verdict_of(enum job_result result)
{
    switch (result) {
    case JOB_DELIVERED:
    case JOB_RELAYED:
    case JOB_PASSED_ON:
    case JOB_EXPANDED:
    case JOB_FAILED:
        return SEND_DESTINATION_WORKS;
    case JOB_DEFERRED:
        return SEND_DESTINATION_ANSWERS;
    case JOB_UNREACHABLE:
        return SEND_DESTINATION_UNREACHABLE;
    case JOB_CORRUPT:
        break;
    }
    return SEND_DESTINATION_UNKNOWN;
}

struct send_transaction const *send_transactions_answer(struct send_transactions *transactions,
                                                        unsigned int transaction,
                                                        enum job_result const *result)
{
    struct send_transaction *const entry = transactions->table + transaction;
    if (result && verdict_of(*result) > entry->verdict)
        entry->verdict = verdict_of(*result);
    if (--entry->recipients)
        return NULL;
    transactions->count--;
    return entry;
}
