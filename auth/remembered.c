#include "auth/remembered.h"

static struct store_table const tables[REMEMBERED_TABLES] = {
    [REMEMBERED_ADDRESSES] = {"addresses", STORE_DAY, REMEMBERED_RECORDS},
    [REMEMBERED_USERS] = {"users", STORE_DAY, REMEMBERED_RECORDS},
    [REMEMBERED_PAIRS] = {"pairs", 31 * STORE_DAY, REMEMBERED_RECORDS},
    [REMEMBERED_BUDGETS] = {"budgets", 2 * STORE_HOUR, REMEMBERED_RECORDS},
};

struct store_form const remembered_form = {
    .file = "store",
    .lock = 0, /* auth/slots.h has others */
    .space = 64u << 20,
    .table_count = REMEMBERED_TABLES,
    .tables = tables,
};
