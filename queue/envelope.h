/* The envelope as records, the one place where its bytes are parsed.
 *
 * On the qmail-queue interface (fd 1) and in the injection protocol it is
 *   F sender NUL  ( T recipient NUL )+  NUL
 * In a queue file the same, with the mark of a settled recipient in place of its T:
 *   + delivered, - failed for good
 * (both differ from T in five bits or more, so that no flipped bit settles a recipient). */
#ifndef EKIDEN_ENVELOPE_H
#define EKIDEN_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds on what anybody can queue; exit code 11 beyond. The first is qmail-queue's own. */
#define ENVELOPE_ADDRESS_MAX    1003 /* octets */
#define ENVELOPE_RECIPIENTS_MAX 1000000
#define ENVELOPE_BYTES_MAX      (256u << 20)

enum envelope_mark { ENVELOPE_TODO = 'T', ENVELOPE_DONE = '+', ENVELOPE_FAILED = '-' };

enum envelope_result {
    ENVELOPE_MORE,     /* well-formed so far */
    ENVELOPE_COMPLETE, /* the closing NUL was read */
    ENVELOPE_FORMAT,   /* not of the form above, or an address with a control character: 91 */
    ENVELOPE_TOO_LONG  /* an address or the number of recipients beyond the bounds: 11 */
};

/* An incremental parser: bytes may come in pieces of any size. */
struct envelope_parser {
    bool marks; /* + and - are allowed (a queue file) */
    unsigned int state;
    size_t address_length;
    uint32_t recipients;
};
void envelope_start(struct envelope_parser *parser, bool marks);

/* Parses up to LENGTH bytes; *used says how many belong to the envelope (all of them unless it is
 * COMPLETE before the end). After COMPLETE, FORMAT or TOO_LONG the parser must be started anew. */
enum envelope_result envelope_parse(struct envelope_parser *parser, char const *bytes,
                                    size_t length, size_t *used);

#endif
