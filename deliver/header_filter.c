#include "deliver/header_filter.h"

#include <string.h>

enum { RETURN_PATH, DELIVERED_TO, COUNT };

static char const *const names[COUNT] = {
    [RETURN_PATH] = "return-path", [DELIVERED_TO] = "delivered-to"};

static unsigned char lower(char byte)
{
    return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

static enum header_fate begin(void *context, size_t name)
{
    struct header_filter *const filter = context;
    filter->begun = filter->differs = false;
    filter->matched = 0;
    return name == RETURN_PATH ? HEADER_DROP : HEADER_KEEP;
}

/* A byte of the value of Delivered-To. Blanks (folds among them) before and after it do not count;
 * the recipient's own are compared. */
static void take(struct header_filter *filter, char byte)
{
    bool const blank = byte == ' ' || byte == '\t' || byte == '\r';
    if (byte == '\n' || (blank && !filter->begun))
        return;
    filter->begun = true;
    if (filter->matched == filter->recipient_length)
        filter->differs |= !blank;
    else if (lower(byte) == lower(filter->recipient[filter->matched]))
        filter->matched++;
    else
        filter->differs = true;
}

static enum header_fate value(void *context, char const *bytes, size_t length)
{
    struct header_filter *const filter = context;
    for (size_t i = 0; i < length && !filter->differs; i++)
        take(filter, bytes[i]);
    return HEADER_KEEP;
}

static enum header_fate end(void *context)
{
    struct header_filter *const filter = context;
    filter->loop |= !filter->differs && filter->matched == filter->recipient_length;
    return HEADER_KEEP;
}

static void put(void *context, char const *bytes, size_t length)
{
    struct header_filter *const filter = context;
    memcpy(filter->out + filter->used, bytes, length);
    filter->used += length;
}

static struct header_watch const watch = {
    .names = names, .count = COUNT, .begin = begin, .value = value, .end = end, .put = put};

void header_filter_start(struct header_filter *filter, char const *recipient, size_t length)
{
    filter->recipient = recipient;
    filter->recipient_length = length;
    filter->in_body = filter->loop = false;
    header_scan_start(&filter->scan, &watch);
}

size_t header_filter_pass(struct header_filter *filter, char const *bytes, size_t length, char *out)
{
    filter->out = out;
    filter->used = 0;
    header_scan_pass(&filter->scan, filter, bytes, length);
    filter->in_body = filter->scan.over;
    return filter->used;
}

size_t header_filter_end(struct header_filter *filter, char *out)
{
    filter->out = out;
    filter->used = 0;
    header_scan_end(&filter->scan, filter);
    filter->in_body = true;
    return filter->used;
}
