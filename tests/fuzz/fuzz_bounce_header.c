/* The look at a header: what it finds is inside what was given, and what comes behind the empty
 * line changes nothing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bounce_header.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    struct bounce_header header, again;
    char const *const message = (char const *)bytes;
    bounce_header_look(&header, message, length);
    size_t const id = strlen(header.message_id);
    if (header.length > length || id > BOUNCE_MESSAGE_ID_MAX)
        abort();
    if (id && (header.message_id[0] != '<' || header.message_id[id - 1] != '>' ||
               !memmem(message, header.length, header.message_id, id)))
        abort();
    for (size_t i = 0; i < id; i++)
        if (header.message_id[i] <= ' ' || header.message_id[i] > '~')
            abort();
    if (!header.ended)
        return header.length == length ? 0 : (abort(), 0);
    char *const other = malloc(header.length + 4);
    if (!other)
        abort();
    memcpy(other, message, header.length);
    memcpy(other + header.length, "\nX:y", 4);
    bounce_header_look(&again, other, header.length + 4);
    if (memcmp(&header, &again, sizeof header) != 0)
        abort();
    free(other);
    return 0;
}
