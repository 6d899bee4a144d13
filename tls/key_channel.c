#include "tls/key_channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/packet.h"

static char const gone[] = "the key process is gone";
static char const crowded[] = "no more descriptors can be on their way through sockets now";
static char const silent[] = "the key process does not answer";

char const *key_channel_make(int channels, int *end)
{
    char letter = KEY_NEW;
    struct iovec const piece = {.iov_base = &letter, .iov_len = 1};
    struct pollfd room = {.fd = channels, .events = POLLOUT};
    int ends[2];
    /* A template that waits for a key process that is stopped could not be replaced. */
    if (poll(&room, 1, 1000) == 0)
        return silent;
    if (!packet_pair(ends))
        return "no socket for the key process";
    bool const sent = packet_send(channels, &piece, 1, ends + 1, 1);
    int const number = errno;
    close(ends[1]);
    if (sent) {
        *end = ends[0];
        return NULL;
    }
    close(ends[0]);
    return packet_is_crowded(number) ? crowded : gone;
}

/* Asks, and receives the answer into SIZE bytes. Returns its length, 0 when there is none. */
static size_t ask(int channel, struct iovec const *pieces, unsigned int count, void *answer,
                  size_t size, char const **problem)
{
    struct pollfd answered = {.fd = channel, .events = POLLIN};
    *problem = gone;
    if (!packet_send(channel, pieces, count, NULL, 0))
        return 0;
    if (poll(&answered, 1, KEY_ANSWER_SECONDS * 1000) <= 0) {
        *problem = silent;
        return 0;
    }
    ssize_t const length = packet_receive(channel, answer, size, NULL, NULL);
    return length > 0 ? (size_t)length : 0;
}

/* Takes CHAIN apart, whose bytes are LENGTH long. */
static bool parse_chain(struct key_chain *chain, size_t length)
{
    unsigned char *const bytes = chain->bytes;
    size_t used = 3 + KEY_ID_SIZE;
    if (length < used || (bytes[1] != KEY_RSA && bytes[1] != KEY_EC))
        return false;
    chain->type = (enum key_type)bytes[1];
    chain->resumes = bytes[2];
    memcpy(chain->id, bytes + 3, sizeof chain->id);
    while (used < length) {
        if (length - used < 3 || chain->count == KEY_CERTIFICATES_MAX)
            return false;
        size_t const size =
            (size_t)bytes[used] << 16 | (size_t)bytes[used + 1] << 8 | bytes[used + 2];
        used += 3;
        if (size > length - used)
            return false;
        chain->certificates[chain->count++] =
            (br_x509_certificate){.data = bytes + used, .data_len = size};
        used += size;
    }
    return chain->count > 0;
}

static bool take_chain(struct key_chain *chain, unsigned char const *answer, size_t length)
{
    struct key_chain taken = {.bytes = malloc(length)};
    if (!taken.bytes)
        return false;
    memcpy(taken.bytes, answer, length);
    if (!parse_chain(&taken, length)) {
        free(taken.bytes);
        return false;
    }
    free(chain->bytes);
    *chain = taken;
    return true;
}

static void put_text(char text[KEY_TEXT_MAX + 1], char const *from, size_t length)
{
    if (length > KEY_TEXT_MAX)
        length = KEY_TEXT_MAX;
    memcpy(text, from, length);
    text[length] = 0;
}

bool key_channel_open(int channel, char const *name, struct key_chain *chain,
                      char text[KEY_TEXT_MAX + 1])
{
    static unsigned char answer[KEY_PACKET_MAX];
    char letter = KEY_OPEN;
    struct iovec const pieces[] = {{.iov_base = &letter, .iov_len = 1},
                                   {.iov_base = (char *)name, .iov_len = strlen(name)}};
    char const *problem;
    size_t const length = ask(channel, pieces, 2, answer, sizeof answer, &problem);
    if (length && answer[0] == KEY_CHAIN) {
        if (take_chain(chain, answer, length))
            return true;
        problem = "out of memory";
    }
    if (length && answer[0] == KEY_FAILED)
        put_text(text, (char const *)answer + 1, length - 1);
    else
        put_text(text, problem, strlen(problem));
    return false;
}

size_t key_channel_sign(int channel, unsigned int algorithm, unsigned char const *input,
                        size_t length, unsigned char *signature, size_t size)
{
    unsigned char head[3] = {KEY_SIGN, (unsigned char)(algorithm >> 8), (unsigned char)algorithm};
    unsigned char answer[1 + 512];
    struct iovec const pieces[] = {{.iov_base = head, .iov_len = sizeof head},
                                   {.iov_base = (unsigned char *)input, .iov_len = length}};
    char const *problem;
    size_t const got = ask(channel, pieces, 2, answer, sizeof answer, &problem);
    if (got < 2 || answer[0] != KEY_SIGN || got - 1 > size)
        return 0;
    memcpy(signature, answer + 1, got - 1);
    return got - 1;
}

void key_channel_keep(int channel, uint16_t suite, unsigned char const secret[KEY_SECRET_SIZE])
{
    unsigned char head[] = {KEY_KEEP, (unsigned char)(suite >> 8), (unsigned char)suite};
    struct iovec const pieces[] = {
        {.iov_base = head, .iov_len = sizeof head},
        {.iov_base = (unsigned char *)secret, .iov_len = KEY_SECRET_SIZE}};
    (void)packet_offer(channel, pieces, 2, NULL, 0);
}

bool key_channel_load(int channel, unsigned char const id[KEY_ID_SIZE],
                      unsigned char const random[KEY_RANDOM_SIZE], char const *name,
                      struct key_resumed *resumed)
{
    unsigned char answer[KEY_RESUMED_SIZE], letter = KEY_LOAD;
    struct iovec const pieces[] = {
        {.iov_base = &letter, .iov_len = 1},
        {.iov_base = (unsigned char *)id, .iov_len = KEY_ID_SIZE},
        {.iov_base = (unsigned char *)random, .iov_len = KEY_RANDOM_SIZE},
        {.iov_base = (char *)name, .iov_len = strlen(name)}};
    char const *problem;
    size_t const length = ask(channel, pieces, 4, answer, sizeof answer, &problem);
    if (length != sizeof answer || answer[0] != KEY_RESUMED)
        return false;
    resumed->suite = (uint16_t)(answer[1] << 8 | answer[2]);
    memcpy(resumed->seed, answer + 3, KEY_SEED_SIZE);
    memcpy(resumed->block, answer + 3 + KEY_SEED_SIZE, KEY_BLOCK_SIZE);
    explicit_bzero(answer, sizeof answer);
    return true;
}

bool key_channel_finish(int channel, char who, unsigned char const *hash, size_t length,
                        unsigned char finished[KEY_FINISHED_SIZE])
{
    unsigned char answer[KEY_FINISHED_ANSWER_SIZE], head[] = {KEY_FINISH, (unsigned char)who};
    struct iovec const pieces[] = {{.iov_base = head, .iov_len = sizeof head},
                                   {.iov_base = (unsigned char *)hash, .iov_len = length}};
    char const *problem;
    if (ask(channel, pieces, 2, answer, sizeof answer, &problem) != sizeof answer ||
        answer[0] != KEY_FINISH)
        return false;
    memcpy(finished, answer + 1, KEY_FINISHED_SIZE);
    return true;
}
