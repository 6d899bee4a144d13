/* What comes on descriptor 3: checkpassword's `user NUL password NUL timestamp NUL`, and the form
 * of `ekiden-auth -b`, `login NUL recipients NUL`. */
#ifndef EKIDEN_CREDENTIALS_H
#define EKIDEN_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

#define CREDENTIALS_MAX        512 /* bytes, as in checkpassword */
#define CREDENTIALS_RECIPIENTS 1000000

enum credentials_result {
    CREDENTIALS_OK,
    CREDENTIALS_MALFORMED, /* not of this form: the caller's mistake */
    CREDENTIALS_LONG,      /* more than fits: never cut, so that no shorter password is checked */
    CREDENTIALS_FAILED     /* the descriptor cannot be read, or the deadline has passed: errno */
};

struct credentials {
    size_t length;
    char bytes[CREDENTIALS_MAX + 1];
    char const *name, *password; /* in bytes, NUL-terminated */
    uint64_t recipients;
};

/* Reads DESCRIPTOR to its end, within MILLISECONDS in all, into CREDENTIALS->bytes. */
enum credentials_result credentials_read(struct credentials *credentials, int descriptor,
                                         int milliseconds);

/* Finds name and password in the bytes. What follows the timestamp is ignored, as the interface
 * says. */
enum credentials_result credentials_parse(struct credentials *credentials);

/* Finds name and number of recipients, at most CREDENTIALS_RECIPIENTS. Nothing may follow. */
enum credentials_result credentials_parse_budget(struct credentials *credentials);

void credentials_wipe(struct credentials *credentials);

#endif
