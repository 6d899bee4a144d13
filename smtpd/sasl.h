/* What a client says to AUTH (RFC 4954 4): PLAIN (RFC 4616) and LOGIN, from the line's form to what
 * a checkpassword program reads. Nothing here knows of a session; bytes in, values out. */
#ifndef EKIDEN_SASL_H
#define EKIDEN_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base64.h"

#define SASL_LINE_MAX   12288 /* octets with CRLF: RFC 4954 4 */
#define SASL_BYTES_MAX  BASE64_DECODED_MAX(SASL_LINE_MAX)
#define SASL_SECRET_MAX 512 /* octets: what a checkpassword program reads at most */
#define SASL_USER_MAX   255 /* octets */

enum sasl_result {
    SASL_OK,
    SASL_NO_MECHANISM, /* AUTH alone: 501 5.5.4 */
    SASL_UNKNOWN,      /* a mechanism that is not ours: 504 5.5.4 */
    SASL_CANCELLED,    /* `*`: 501 5.7.0 */
    SASL_MALFORMED,    /* not base64, or not of the mechanism's form: 501 5.5.2 */
    SASL_TOO_LONG,     /* a line of more than SASL_LINE_MAX: 500 5.5.6 */
    SASL_ENDED         /* the connection did */
};

enum sasl_mechanism { SASL_PLAIN, SASL_LOGIN };

char const *sasl_mechanism_name(enum sasl_mechanism mechanism);

/* The argument of AUTH. *initial is the initial response, 0 without one. SASL_OK, SASL_NO_MECHANISM
 * or SASL_UNKNOWN. */
enum sasl_result sasl_parse(enum sasl_mechanism *mechanism, char const **initial,
                            size_t *initial_length, char const *argument, size_t length);

/* Decoded octets of one line, in a buffer for several, one after the other. */
struct sasl_bytes {
    size_t length;
    size_t touched; /* of the buffer, to wipe; 0 at first */
    unsigned char bytes[SASL_BYTES_MAX];
};
void sasl_wipe(struct sasl_bytes *decoded);

/* Decodes a line, without its CRLF; of an INITIAL response `=` is an empty one. SASL_OK,
 * SASL_CANCELLED or SASL_MALFORMED. */
enum sasl_result sasl_decode(struct sasl_bytes *decoded, char const *line, size_t length,
                             bool initial);

/* `user NUL password NUL timestamp NUL`, the timestamp empty: RFC 4616's time is now. Wipe it. */
struct sasl_secret {
    bool hopeless; /* no database can have it: a part is empty or too long, or they stand for two */
    size_t user_length; /* in ASCII lower case */
    size_t length;
    char bytes[SASL_SECRET_MAX];
};

/* The octets of PLAIN: `[authzid] NUL user NUL password`. SASL_OK or SASL_MALFORMED. */
enum sasl_result sasl_take_plain(struct sasl_secret *secret, struct sasl_bytes const *decoded);

/* The first and the second octets of LOGIN. SASL_OK or SASL_MALFORMED. */
enum sasl_result sasl_take_user(struct sasl_secret *secret, struct sasl_bytes const *decoded);
enum sasl_result sasl_take_password(struct sasl_secret *secret, struct sasl_bytes const *decoded);

#endif
