#include "queue/send_transactions.h"

bool send_transactions_is_capped(struct send_transactions const *transactions, uint64_t destination,
                                 uint64_t limit)
{
    uint64_t const own = limit > 1 ? limit / 2 : 1;
    unsigned int seen = 0, same = 0;
    if (transactions->count < own)
        return false;
    for (unsigned int i = 0; i < SEND_TRANSACTIONS_MAX && seen < transactions->count; i++)
        if (transactions->table[i].recipients) {
            seen++;
            same += transactions->table[i].destination == destination;
        }
    return same >= own;
}

unsigned int send_transactions_begin(struct send_transactions *transactions, uint64_t destination,
                                     unsigned int recipients)
{
    unsigned int place = 0;
    while (transactions->table[place].recipients)
        place++;
    transactions->table[place] =
        (struct send_transaction){.destination = destination, .recipients = recipients};
    transactions->count++;
    return place;
}

bool send_transactions_answer(struct send_transactions *transactions, unsigned int transaction)
{
    if (--transactions->table[transaction].recipients)
        return false;
    transactions->count--;
    return true;
}
