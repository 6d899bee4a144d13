#include "tls/tls_request.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fields.h"
#include "lib/packet.h"

#define FIELDS_MAX 5

static char const *const levels[] = {[TLS_ENCRYPT] = "encrypt", [TLS_VERIFY] = "verify"};

/* Appends TEXT and its NUL at *length: at most MAXIMUM bytes of it, printable ASCII. */
static void add(char bytes[TLS_REQUEST_MAX], size_t *length, char const *text, size_t maximum)
{
    size_t const size = strnlen(text, maximum);
    if (size >= TLS_REQUEST_MAX - *length)
        return;
    for (size_t i = 0; i < size; i++)
        bytes[*length + i] = (char)(text[i] < 0x20 || text[i] > 0x7e ? '?' : text[i]);
    bytes[*length + size] = 0;
    *length += size + 1;
}

static bool set(char *target, size_t size, char const *text)
{
    if (!fields_is_text(text, size - 1))
        return false;
    memcpy(target, text, strlen(text) + 1);
    return true;
}

/* --- the asker --- */

static size_t format_request(char bytes[TLS_REQUEST_MAX], struct tls_request const *request)
{
    char const role[2] = {(char)request->role, 0};
    char seconds[16];
    size_t length = 0;
    snprintf(seconds, sizeof seconds, "%u", request->seconds);
    add(bytes, &length, role, 1);
    add(bytes, &length, seconds, sizeof seconds);
    if (request->role == TLS_CLIENT) {
        add(bytes, &length, levels[request->level], 8);
        add(bytes, &length, request->name, TLS_NAME_MAX);
    }
    return length;
}

static void close_pair(int const ends[2])
{
    int const number = errno;
    close(ends[0]);
    close(ends[1]);
    errno = number;
}

bool tls_request_send(struct tls_link *link, int service, struct tls_request const *request, int in,
                      int out)
{
    char bytes[TLS_REQUEST_MAX];
    int plain[2], answers[2];
    struct iovec const piece = {.iov_base = bytes, .iov_len = format_request(bytes, request)};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plain) != 0)
        return false;
    if (!packet_pair(answers)) {
        close_pair(plain);
        return false;
    }
    int const descriptors[TLS_REQUEST_DESCRIPTORS] = {in, out, plain[1], answers[1]};
    if (!packet_send(service, &piece, 1, descriptors, TLS_REQUEST_DESCRIPTORS)) {
        close_pair(plain);
        close_pair(answers);
        return false;
    }
    close(plain[1]);
    close(answers[1]);
    *link = (struct tls_link){.plain = plain[0], .answers = answers[0]};
    return true;
}

static bool parse_answer(struct tls_answer *answer, char const *bytes, size_t length)
{
    char const *fields[FIELDS_MAX];
    if (length < 2 || bytes[1])
        return false;
    answer->kind = (enum tls_answer_kind)bytes[0];
    switch (answer->kind) {
    case TLS_READY:
        return fields_split(fields, 1, bytes, length);
    case TLS_HANDSHAKE:
        if (!fields_split(fields, 5, bytes, length))
            return false;
        answer->verified = strcmp(fields[4], "verified") == 0;
        return set(answer->version, sizeof answer->version, fields[1]) &&
               set(answer->suite, sizeof answer->suite, fields[2]) &&
               set(answer->name, sizeof answer->name, fields[3]);
    case TLS_FAILED:
        return fields_split(fields, 2, bytes, length) &&
               set(answer->reason, sizeof answer->reason, fields[1]);
    }
    return false;
}

enum tls_receive_result tls_answer_receive(struct tls_link const *link, struct tls_answer *answer)
{
    char bytes[TLS_REQUEST_MAX];
    memset(answer, 0, sizeof *answer);
    ssize_t const length = packet_receive(link->answers, bytes, sizeof bytes, NULL, NULL);
    if (length < 0 && errno == EINTR)
        return TLS_AGAIN;
    if (length <= 0 || !parse_answer(answer, bytes, (size_t)length))
        return TLS_GONE;
    return TLS_RECEIVED;
}

bool tls_go(struct tls_link const *link)
{
    char letter = 'G';
    struct iovec const piece = {.iov_base = &letter, .iov_len = 1};
    return packet_send(link->answers, &piece, 1, NULL, 0);
}

void tls_link_close(struct tls_link *link)
{
    close(link->plain);
    close(link->answers);
    link->plain = link->answers = -1;
}

/* --- the engine --- */

bool tls_request_parse(struct tls_request *request, char const *bytes, size_t length)
{
    char const *fields[FIELDS_MAX];
    uint64_t seconds;
    memset(request, 0, sizeof *request);
    if (length < 2 || bytes[1] || (bytes[0] != TLS_SERVER && bytes[0] != TLS_CLIENT))
        return false;
    request->role = (enum tls_role)bytes[0];
    if (!fields_split(fields, request->role == TLS_CLIENT ? 4 : 2, bytes, length) ||
        !fields_scan_number(fields[1], &seconds) || seconds == 0 || seconds > TLS_SECONDS_MAX)
        return false;
    request->seconds = (unsigned int)seconds;
    if (request->role == TLS_SERVER)
        return true;
    request->level = strcmp(fields[2], levels[TLS_VERIFY]) == 0 ? TLS_VERIFY : TLS_ENCRYPT;
    return strcmp(fields[2], levels[request->level]) == 0 &&
           set(request->name, sizeof request->name, fields[3]) &&
           (request->level == TLS_ENCRYPT || request->name[0]);
}

size_t tls_answer_format(char bytes[TLS_REQUEST_MAX], struct tls_answer const *answer)
{
    char const kind[2] = {(char)answer->kind, 0};
    size_t length = 0;
    add(bytes, &length, kind, 1);
    if (answer->kind == TLS_HANDSHAKE) {
        add(bytes, &length, answer->version, sizeof answer->version - 1);
        add(bytes, &length, answer->suite, sizeof answer->suite - 1);
        add(bytes, &length, answer->name, TLS_NAME_MAX);
        add(bytes, &length, answer->verified ? "verified" : "unverified", 10);
    }
    if (answer->kind == TLS_FAILED)
        add(bytes, &length, answer->reason, TLS_REASON_MAX);
    return length;
}
