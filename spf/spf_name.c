#include "spf/spf_name.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/dns_query.h"

#define LABEL_MAX 63

static bool is_plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.';
}

static bool has_good_labels(char const *text, size_t length)
{
    size_t labels = 1, label = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return false;
        label = text[i] == '.' ? 0 : label + 1;
        labels += text[i] == '.';
        if (label > LABEL_MAX || (label == 0 && (i == 0 || text[i - 1] == '.')))
            return false;
    }
    return label > 0 && labels > 1;
}

enum spf_name_result spf_name_make(struct spf_name *name, char const *text, size_t length)
{
    char escaped[4 * SPF_NAME_MAX + 1];
    size_t used = 0;
    if (length > 0 && text[length - 1] == '.')
        length--;
    if (length > SPF_NAME_MAX || !has_good_labels(text, length))
        return SPF_NAME_MALFORMED;
    memcpy(name->plain, text, length);
    name->plain[length] = 0;
    for (size_t i = 0; i < length; i++)
        if (is_plain(text[i]))
            escaped[used++] = text[i];
        else
            used += (size_t)snprintf(escaped + used, 5, "\\%03u", (unsigned int)text[i]);
    escaped[used] = 0;
    return dns_query_name(name->dns, escaped) ? SPF_NAME_OK : SPF_NAME_MALFORMED;
}
