/* What a submission server adds to a user's message (RFC 6409 8): Date and Message-ID where they
 * are missing, at the end of the header.
 *
 * The message passes through in pieces as it arrives; the header may be of any size, only the name
 * of a field is held back until it is known to be one. The header ends at an empty line, or before
 * the first line that is no field (RFC 5322 2.2): there an empty line is put in, so that nobody who
 * reads on behind such a line finds other fields than were looked at here. */
#ifndef EKIDEN_SUBMISSION_H
#define EKIDEN_SUBMISSION_H

#include <stdbool.h>
#include <stddef.h>

#define SUBMISSION_NAME_MAX 998  /* octets of a field's name: RFC 5322 2.1.1 */
#define SUBMISSION_FROM_MAX 8192 /* octets of the value of From that are kept */

/* Takes LENGTH bytes of the message on. */
typedef void submission_put_func(void *context, char const *bytes, size_t length);

struct submission {
    submission_put_func *put;
    void *context;
    char const *date;       /* the fields' values, without line ends */
    char const *message_id; /* with its angle brackets */
    unsigned int state;
    bool begun; /* a field has come: a line may continue it */
    bool has_date, has_message_id, in_from;
    unsigned int from_count; /* From fields, up to 2 */
    bool from_too_long;
    size_t held_length, name_length, from_length;
    char held[SUBMISSION_NAME_MAX + 1]; /* the last two are touched only as far as used */
    char from[SUBMISSION_FROM_MAX];     /* the value of the first From, line ends included */
};

/* PUT is called with CONTEXT; DATE and MESSAGE_ID stay the caller's and must remain valid. */
void submission_start(struct submission *submission, submission_put_func *put, void *context,
                      char const *date, char const *message_id);

/* The next piece of the message, LF line ends. */
void submission_add(struct submission *submission, char const *bytes, size_t length);

/* The end of the message. */
void submission_end(struct submission *submission);

/* True once the header is over: From is known. */
bool submission_header_is_over(struct submission const *submission);

#endif
