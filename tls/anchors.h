/* The authorities by which a server's certificate is verified: a PEM bundle, as Debian's
 * ca-certificates has it. The control file `tlsanchors` has its path.
 *
 * Decoding 140 certificates takes 44 ms. So the bundle is only read before the fence, and decoded
 * behind it, a certificate at a time: by the template while no request waits, by an engine all that
 * is left when it has to verify. Without a usable certificate nothing is ever verified. */
#ifndef EKIDEN_ANCHORS_H
#define EKIDEN_ANCHORS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include <bearssl.h>

#include "lib/control.h"

#define ANCHORS_CONTROL         "tlsanchors"
#define ANCHORS_DEFAULT         "/etc/ssl/certs/ca-certificates.crt"
#define ANCHORS_BUNDLE_MAX      (16u << 20) /* bytes of a bundle; a larger one is an error */
#define ANCHORS_CERTIFICATE_MAX (64u << 10) /* bytes of one in base64; a larger one is skipped */
#define ANCHORS_MAX             4096        /* further ones are skipped */
#define ANCHORS_PROBLEM_MAX     (CONTROL_ERROR_MAX + 64)

struct anchors {
    br_x509_trust_anchor *list; /* owned, with all that it points to */
    size_t count, skipped;
    char *path;                        /* owned */
    char *bundle;                      /* owned; what is to be decoded; 0 when all is */
    size_t length, position;           /* of the bundle */
    size_t number;                     /* of the certificate at hand, from 1 */
    char problem[ANCHORS_PROBLEM_MAX]; /* why there is none; for a reason and for the log */
};

/* The path of the bundle, as `tlsanchors` has it or the default; to be freed. 0 when the file is
 * wrong, as ERROR says unless it is 0. */
char *anchors_path(struct control const *control, struct control_error *error);

/* Reads the bundle at that path. Never fails: what is wrong stands in problem, is
 * logged, and makes every verification fail. */
void anchors_read(struct anchors *anchors, struct control const *control);

/* True while there is something to decode. */
bool anchors_are_waiting(struct anchors const *anchors);

/* Decodes the next certificate. One that is broken is skipped. With LOG what is skipped is logged,
 * and the count at the end: so one process of many says it. */
void anchors_decode_next(struct anchors *anchors, bool log);

/* Why there are no anchors, once all is decoded; 0 when there are some. */
char const *anchors_problem(struct anchors const *anchors);

void anchors_free(struct anchors *anchors);

#endif
