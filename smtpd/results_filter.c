#include "smtpd/results_filter.h"

#include <string.h>

#include <skalibs/bytestr.h>

static char const *const names[] = {"authentication-results"};

enum state {
    GAP,     /* before the authserv-id */
    COMMENT, /* there, `depth` deep */
    COMMENT_ESCAPE,
    TOKEN,
    QUOTED,
    QUOTED_ESCAPE,
    OTHERS, /* the authserv-id was read, and it is somebody else's */
    OURS,   /* it is ours, or cannot be read */
    READ    /* in the table only: it was read, and decides */
};

enum class { BLANK, OPEN, CLOSE, QUOTE, BACKSLASH, WORD, SPECIAL, CLASSES };

/* What a byte of each class leads to, until the authserv-id is known. */
static unsigned char const next[][CLASSES] = {
    [GAP] = {GAP, COMMENT, OURS, QUOTED, OURS, TOKEN, OURS},
    [COMMENT] = {COMMENT, COMMENT, GAP, COMMENT, COMMENT_ESCAPE, COMMENT, COMMENT},
    [COMMENT_ESCAPE] = {COMMENT, COMMENT, COMMENT, COMMENT, COMMENT, COMMENT, COMMENT},
    [TOKEN] = {READ, READ, READ, READ, READ, TOKEN, READ},
    [QUOTED] = {QUOTED, QUOTED, QUOTED, READ, QUOTED_ESCAPE, QUOTED, QUOTED},
    [QUOTED_ESCAPE] = {QUOTED, QUOTED, QUOTED, QUOTED, QUOTED, QUOTED, QUOTED},
};

/* RFC 2045 5.1 for words, with the non-ASCII of RFC 8616 4. */
static enum class class_of(char byte) {
    switch (byte){
        case ' ' : case '\t' : case '\r' : case '\n' : return BLANK; case '(' : return OPEN;
        case ')' : return CLOSE;
        case '"' : return QUOTE;
        case '\\' : return BACKSLASH;
        default : return (unsigned char)byte > ' ' && byte != 0x7f && !strchr("<>@,;:/[]?=", byte)
            ? WORD
            : SPECIAL;
    }
}

static bool is_ascii(char const *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

static bool has_a_label(char const *name)
{
    return !strncmp(name, "xn--", 4) || strstr(name, ".xn--");
}

static unsigned char judge(struct results_filter const *filter)
{
    size_t length = filter->id_length;
    if (length > 0 && filter->id[length - 1] == '.')
        length--;
    bool const same = length == strlen(filter->me) && !case_diffb(filter->id, length, filter->me);
    bool const alike = has_a_label(filter->me) && !is_ascii(filter->id, length);
    return length == 0 || same || alike ? OURS : OTHERS;
}

/* A byte of the value; the authserv-id is not known yet. */
static void take(struct results_filter *filter, char byte)
{
    enum class const class = class_of(byte);
    unsigned char const state = filter->state;
    filter->state = next[state][class];
    if (filter->state == READ)
        filter->state = judge(filter);
    else if (state == QUOTED_ESCAPE || filter->state == TOKEN ||
             (state == QUOTED && filter->state == QUOTED && byte != '\r' && byte != '\n'))
        filter->id[filter->id_length++] = byte;
    else if (state != COMMENT_ESCAPE && class == OPEN)
        filter->depth++;
    else if (state == COMMENT && class == CLOSE && --filter->depth > 0)
        filter->state = COMMENT;
}

static enum header_fate fate_of(struct results_filter *filter)
{
    if (filter->state == OURS)
        return HEADER_DROP;
    return filter->state == OTHERS ? HEADER_KEEP : HEADER_HOLD;
}

static enum header_fate begin(void *context, size_t name)
{
    struct results_filter *const filter = context;
    (void)name;
    filter->state = GAP;
    filter->depth = 0;
    filter->id_length = 0;
    return HEADER_HOLD;
}

static enum header_fate value(void *context, char const *bytes, size_t length)
{
    struct results_filter *const filter = context;
    for (size_t i = 0; i < length && filter->state < OTHERS; i++)
        take(filter, bytes[i]);
    return fate_of(filter);
}

static enum header_fate end(void *context)
{
    struct results_filter *const filter = context;
    if (filter->state == TOKEN)
        filter->state = judge(filter);
    return fate_of(filter);
}

static void put(void *context, char const *bytes, size_t length)
{
    struct results_filter const *const filter = context;
    filter->put(filter->context, bytes, length);
}

static struct header_watch const watch = {.names = names,
                                          .count = sizeof names / sizeof *names,
                                          .begin = begin,
                                          .value = value,
                                          .end = end,
                                          .put = put};

void results_filter_start(struct results_filter *filter, results_put_func *put_on, void *context,
                          char const *me)
{
    filter->put = put_on;
    filter->context = context;
    filter->me = me;
    header_scan_start(&filter->scan, &watch);
}

void results_filter_add(struct results_filter *filter, char const *bytes, size_t length)
{
    header_scan_pass(&filter->scan, filter, bytes, length);
}

void results_filter_end(struct results_filter *filter)
{
    header_scan_end(&filter->scan, filter);
}
