#include "deliver/remote_data.h"

#include <string.h>

void remote_data_start(struct remote_data *data, enum remote_data_form form)
{
    data->form = form;
    data->after_cr = data->in_line = false;
}

size_t remote_data_encode(struct remote_data *data, char const *bytes, size_t length, char *out)
{
    char const *const end = bytes + length, *next = bytes, *lf = 0;
    size_t used = 0;
    while (next < end) {
        if (!lf || lf < next) { /* once a line, not once a CR: there may be thousands in a line */
            lf = memchr(next, '\n', (size_t)(end - next));
            lf = lf ? lf : end;
        }
        char const *const cr = memchr(next, '\r', (size_t)(lf - next));
        size_t const plain = (size_t)((cr ? cr : lf) - next);
        if (plain > 0) {
            if (!data->in_line && *next == '.' && data->form == REMOTE_DATA_DOTTED)
                out[used++] = '.';
            memcpy(out + used, next, plain);
            used += plain;
            next += plain;
            data->in_line = true;
            data->after_cr = false;
            continue;
        }
        if (*next == '\r' || !data->after_cr) {
            memcpy(out + used, "\r\n", 2);
            used += 2;
            data->in_line = false;
        }
        data->after_cr = *next++ == '\r';
    }
    return used;
}

size_t remote_data_end(struct remote_data *data, char *out)
{
    static char const *const ends[][2] = {
        [REMOTE_DATA_DOTTED] = {".\r\n", "\r\n.\r\n"}, [REMOTE_DATA_CHUNKS] = {"", "\r\n"}};
    char const *const end = ends[data->form][data->in_line];
    size_t const length = strlen(end);
    memcpy(out, end, length);
    return length;
}
