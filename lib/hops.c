#include "lib/hops.h"

#include <string.h>

static char const field[] = "received";

#define NAME_LENGTH (sizeof field - 1)
#define OTHER_FIELD (NAME_LENGTH + 1) /* this line is none, or has been counted */

void hops_start(struct hops *hops)
{
    hops->count = hops->matched = 0;
    hops->body = false;
}

void hops_add(struct hops *hops, char const *bytes, size_t length)
{
    for (size_t i = 0; i < length && !hops->body; i++) {
        char byte = bytes[i];
        if (hops->matched == OTHER_FIELD) {
            char const *line_end = memchr(bytes + i, '\n', length - i);
            if (!line_end)
                return;
            i = (size_t)(line_end - bytes);
            hops->matched = 0;
        } else if (byte == '\n') {
            hops->body = hops->matched == 0; /* an empty line */
            hops->matched = 0;
        } else if (hops->matched < NAME_LENGTH) {
            hops->matched = (byte | 0x20) == field[hops->matched] ? hops->matched + 1 : OTHER_FIELD;
        } else {
            if (byte == ':')
                hops->count++;
            if (byte != ' ' && byte != '\t') /* blanks before the colon: RFC 5322 4.5.7 */
                hops->matched = OTHER_FIELD;
        }
    }
}
