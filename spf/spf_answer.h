/* What ekiden-spf answers: a result of RFC 7208 section 2.6 and how it came about.
 *
 * On the wire: RESULT NUL EXPLANATION NUL PROBLEM NUL TRAIL NUL, all of it printable ASCII. */
#ifndef EKIDEN_SPF_ANSWER_H
#define EKIDEN_SPF_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#define SPF_EXPLANATION_MAX 400 /* bytes of each text, without its NUL */
#define SPF_PROBLEM_MAX     200
#define SPF_TRAIL_MAX       2000
#define SPF_ANSWER_MAX      (16 + SPF_EXPLANATION_MAX + SPF_PROBLEM_MAX + SPF_TRAIL_MAX + 4)

enum spf_result {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR
};

struct spf_answer {
    enum spf_result result;
    char explanation[SPF_EXPLANATION_MAX + 1]; /* with SPF_FAIL, when the domain has a usable one */
    char problem[SPF_PROBLEM_MAX + 1];         /* with an error: what is wrong; else empty */
    char trail[SPF_TRAIL_MAX + 1]; /* records, look-ups and mechanisms in order, `; ` between */
};

/* The word of RFC 7208 section 2.6: "none", "neutral", ... */
char const *spf_result_word(enum spf_result result);

/* Appends TEXT to the NUL-terminated OUT of SIZE bytes, cut where it is full; what is not printable
 * ASCII becomes `?`. */
void spf_answer_append(char *out, size_t size, char const *text, size_t length);

/* Writes the wire form. Returns its length. */
size_t spf_answer_format(char bytes[SPF_ANSWER_MAX], struct spf_answer const *answer);

/* Reads the wire form. False when that is no answer: an unknown word, a text that is too long or
 * not printable, bytes missing or left over. */
bool spf_answer_parse(struct spf_answer *answer, char const *bytes, size_t length);

#endif
