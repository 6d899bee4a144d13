/* One question: may this client send as this name? On the wire: ADDRESS NUL HELO NUL SENDER NUL to
 * the end. This parser is the first to see what strangers wrote; tests/fuzz/fuzz_spf_question.c. */
#ifndef EKIDEN_SPF_QUESTION_H
#define EKIDEN_SPF_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

#include <skalibs/ip46.h>

#include "spf/spf_name.h"

#define SPF_FIELD_MAX    511 /* bytes of HELO and of SENDER */
#define SPF_QUESTION_MAX (46 + 2 * (SPF_FIELD_MAX + 1))

enum spf_question_result {
    SPF_QUESTION_OK,
    SPF_QUESTION_NO_NAME,  /* the identity has no domain that could have a record: the result is
                              none (RFC 7208 section 4.3) */
    SPF_QUESTION_MALFORMED /* no address, a field too long or missing, bytes left over */
};

struct spf_question {
    ip46 ip; /* ::ffff:a.b.c.d is the IPv4 address: section 5 */
    /* What the macros h, s and l are; NUL-terminated. Without a sender or a local part it is
     * postmaster (section 4.3). */
    char helo[SPF_FIELD_MAX + 1];
    char sender[SPF_FIELD_MAX + sizeof "postmaster@"];
    char local[SPF_FIELD_MAX + 1];
    struct spf_name domain; /* of the sender, or HELO: who is asked. U-labels became A-labels */
};

/* Takes the fields as they are given by hand. SENDER empty: the HELO identity is judged. */
enum spf_question_result spf_question_make(struct spf_question *question, char const *address,
                                           char const *helo, char const *sender);

/* Reads the wire form. */
enum spf_question_result spf_question_parse(struct spf_question *question, char const *bytes,
                                            size_t length);

#endif
