#include "auth/slots.h"

#include <errno.h>
#include <sys/random.h>

#define HASHES_FIRST  1 /* numbers of their bytes; 0 is the store's */
#define FOREIGN_FIRST 100

bool slots_take(struct store const *store, bool foreign)
{
    unsigned int const first = foreign ? FOREIGN_FIRST : HASHES_FIRST;
    unsigned int const count = foreign ? SLOTS_FOREIGN : SLOTS_HASHES;
    unsigned int number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return false;
    for (unsigned int i = 0; i < count; i++) {
        if (store_lock_byte(store, first + (number + i) % count, false))
            return true;
        if (errno != EAGAIN && errno != EACCES)
            return false;
    }
    /* All checks take about as long: one queue is as good as another. */
    return store_lock_byte(store, first + number % count, true);
}
