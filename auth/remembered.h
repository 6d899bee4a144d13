/* What ekiden-auth remembers, shared by all that run at once: tables of failures and of budgets, in
 * `store` in the state folder. */
#ifndef EKIDEN_REMEMBERED_H
#define EKIDEN_REMEMBERED_H

#include "lib/store.h"

enum remembered_table {
    REMEMBERED_ADDRESSES,
    REMEMBERED_USERS,
    REMEMBERED_PAIRS,
    REMEMBERED_BUDGETS,
    REMEMBERED_TABLES
};

#define REMEMBERED_RECORDS 65536 /* of a table */

extern struct store_form const remembered_form;

#endif
