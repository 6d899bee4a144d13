/* Control files `batv` (keys, one a line: lib/secret_file.h), `batvexempt` (addresses that are not
 * signed, of which a bounce need not be either: lib/address_list.h), and `batvcheck` (1: a bounce
 * to another one that is not signed is refused). */
#ifndef EKIDEN_BATV_SETTINGS_H
#define EKIDEN_BATV_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/batv.h"
#include "lib/control.h"
#include "lib/routing.h"
#include "lib/secret_file.h"
#include "lib/table.h"

struct batv_settings {
    struct secret_file keys;
    struct table exempt; /* owned */
    uint64_t check;      /* 0 or 1 */
};

/* Loads them. A malformed file is CONTROL_ERROR; then *settings is untouched. */
enum control_result batv_settings_load(struct batv_settings *settings,
                                       struct control const *control, struct control_error *error);
/* Wipes and frees. */
void batv_settings_free(struct batv_settings *settings);

/* True for an address (unquoted as in the envelope) under which no mail leaves from here but
 * signed: it is ours by ROUTING (locals, virtualdomains), fits, and is not exempt. The one question
 * that both decide by, who signs and who asks for the signature. */
bool batv_signs(struct batv_settings const *settings, struct routing const *routing,
                char const *address, size_t length);

/* True for an address that looks like a signed one of ours. */
bool batv_is_ours(struct batv_settings const *settings, struct routing const *routing,
                  char const *address, size_t length);

#endif
