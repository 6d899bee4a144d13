#include "lib/sender.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include <skalibs/disize.h>
#include <skalibs/genalloc.h>
#include <skalibs/uint16.h>
#include <skalibs/uint32.h>

enum { HEADER = 6 }; /* length, number of descriptors */

/* Where the message at the head begins and ends, in bytes and descriptors. */
struct range {
    size_t begin, end, first, last;
};

static struct range find_head(unixmessage_sender const *sender)
{
    disize const *const offsets = genalloc_s(disize, &sender->offsets) + sender->head;
    bool const more = sender->head + 1 < genalloc_len(disize, &sender->offsets);
    return (struct range){.begin = offsets->left,
                          .end = more ? offsets[1].left : sender->data.len,
                          .first = offsets->right,
                          .last = more ? offsets[1].right : genalloc_len(int, &sender->fds)};
}

static bool write_rest(unixmessage_sender *sender, struct range const *head)
{
    char header[HEADER];
    size_t const length = head->end - head->begin;
    uint32_pack_big(header, (uint32_t)length);
    uint16_pack_big(header + 4, (uint16_t)(head->last - head->first));
    while (sender->shorty) {
        bool const in_header = sender->shorty > length;
        size_t const left = in_header ? sender->shorty - length : sender->shorty;
        char const *const end = in_header ? header + HEADER : sender->data.s + head->end;
        ssize_t const written = write(sender->fd, end - left, left);
        if (written > 0)
            sender->shorty -= (size_t)written;
        else if (written == 0 || errno != EINTR)
            return false;
    }
    return true;
}

static void drop_head(unixmessage_sender *sender)
{
    if (++sender->head < genalloc_len(disize, &sender->offsets))
        return;
    sender->data.len = 0;
    genalloc_setlen(int, &sender->fds, 0);
    genalloc_setlen(disize, &sender->offsets, 0);
    sender->head = 0;
}

/* Those of a message that has gone in part have gone, and were closed: a negative number would say
 * that they are still to be. */
static void forget_descriptors(unixmessage_sender *sender)
{
    struct range const head = find_head(sender);
    for (size_t i = head.first; i < head.last; i++)
        genalloc_s(int, &sender->fds)[i] = 0;
}

bool sender_flush(unixmessage_sender *sender)
{
    if (sender->shorty) {
        struct range const head = find_head(sender);
        if (!write_rest(sender, &head))
            return false;
        drop_head(sender);
    }
    if (unixmessage_sender_flush(sender))
        return true;
    int const number = errno;
    if (sender->shorty)
        forget_descriptors(sender);
    errno = number;
    return false;
}
