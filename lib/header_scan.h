/* The header of a message that passes through in pieces of any size: fields of certain names are
 * found, looked at, and may be left out; all else goes on as it came, in runs as long as they can
 * be. Memory is the struct, whatever the length of a line or of the header.
 *
 * The header ends at the first empty line only: a line that is no field does not end it, because
 * some readers of mail go on to the fields after it as well. */
#ifndef EKIDEN_HEADER_SCAN_H
#define EKIDEN_HEADER_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that may wait for what follows: a name and the blanks before its colon (RFC 5322 4.5.8),
 * and of a field that is on hold what has come of it. With more blanks than that it is a field,
 * colon or not; a field that is on hold still is dropped. */
#define HEADER_SCAN_HELD_MAX 1024

enum header_fate {
    HEADER_KEEP,
    HEADER_DROP,
    HEADER_HOLD /* not known yet: what has come of the field waits */
};

/* Who looks. The context is what header_scan_pass and header_scan_end are given. */
struct header_watch {
    char const *const *names; /* lower case, each with another first letter */
    size_t count;
    /* The field `names[name]` begins behind its colon. */
    enum header_fate (*begin)(void *context, size_t name);
    /* More of its value, with line ends and the blanks of folded lines; not called for a field that
     * is dropped. The fate may change from HOLD; what it returns then is ignored. */
    enum header_fate (*value)(void *context, char const *bytes, size_t length);
    /* It is over. The same; HOLD means DROP here. */
    enum header_fate (*end)(void *context);
    /* Takes what is kept. */
    void (*put)(void *context, char const *bytes, size_t length);
};

struct header_scan {
    struct header_watch const *watch;
    bool over; /* the empty line was passed: what follows need not come here any more */
    bool in_field;
    unsigned char state, fate;
    size_t name, matched;
    size_t held_length;
    char held[HEADER_SCAN_HELD_MAX]; /* the last: touched only as far as used */
};

void header_scan_start(struct header_scan *scan, struct header_watch const *watch);

/* The next piece of the message. What is put may be in BYTES or in the struct. */
void header_scan_pass(struct header_scan *scan, void *context, char const *bytes, size_t length);

/* The message ends here. */
void header_scan_end(struct header_scan *scan, void *context);

#endif
