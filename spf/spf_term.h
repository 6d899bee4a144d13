/* The look-ups of one term: what libspf2 asks by a token, with the limits of RFC 7208 section
 * 4.6.4 kept. */
#ifndef EKIDEN_SPF_TERM_H
#define EKIDEN_SPF_TERM_H

#include "spf/spf_evaluation.h"
#include "spf/spf_rewrite.h"

enum spf_term_result {
    SPF_TERM_FOUND,
    SPF_TERM_NOTHING,
    SPF_TERM_FAILED /* the evaluation has failed */
};

/* Looks up what TOKEN is about; its numbers are not believed. With FOUND, *answer holds at least
 * one record, and must be freed: addresses, or as many records as an mx has exchangers. What only
 * either exists or not is the address 127.0.0.2; and for a prefix length of 0 the one address is
 * the client's own, because libspf2 knows no such length. */
enum spf_term_result spf_term_look_up(struct spf_evaluation *evaluation,
                                      struct spf_token const *token, struct dns_answer *answer);

/* Loads the record that an include or a redirect names. False: the evaluation has failed. */
bool spf_term_load(struct spf_evaluation *evaluation, struct spf_token const *token,
                   size_t *number);

#endif
