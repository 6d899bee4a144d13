#include "deliver/remote_tls.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/iopause.h>

#include "lib/packet.h"

void remote_tls_clear(struct remote_tls *tls)
{
    *tls = (struct remote_tls){.link = {.plain = -1, .answers = -1}};
}

void remote_tls_end(struct remote_tls *tls)
{
    if (tls->link.plain >= 0)
        tls_link_close(&tls->link);
    remote_tls_clear(tls);
}

static bool fail(struct remote_tls *tls, char reason[TLS_REASON_MAX + 1], char const *what)
{
    snprintf(reason, TLS_REASON_MAX + 1, "%s", what);
    remote_tls_end(tls);
    return false;
}

/* False: errno. */
static bool await(int descriptor, short events, tain const *deadline)
{
    iopause_fd waiting = {.fd = descriptor, .events = events};
    int ready;
    do
        ready = iopause_g(&waiting, 1, deadline);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0;
}

/* Waits for an answer of KIND. */
static bool receive(struct remote_tls *tls, enum tls_answer_kind kind, tain const *deadline,
                    char reason[TLS_REASON_MAX + 1])
{
    enum tls_receive_result result;
    do {
        if (!await(tls->link.answers, IOPAUSE_READ, deadline))
            return fail(tls, reason, strerror(errno));
        result = tls_answer_receive(&tls->link, &tls->handshake);
    } while (result == TLS_AGAIN);
    if (result == TLS_GONE)
        return fail(tls, reason, "the TLS engine ended without a word");
    if (tls->handshake.kind == kind)
        return true;
    if (tls->handshake.kind != TLS_FAILED)
        return fail(tls, reason, "the TLS engine speaks out of turn");
    struct tls_answer const failed = tls->handshake;
    return fail(tls, reason, failed.reason);
}

struct asking {
    struct remote_tls *tls;
    int service, descriptor;
    struct tls_request const *request;
    tain const *deadline;
};

static bool send_request(void *context)
{
    struct asking const *const asking = context;
    return tls_request_send(&asking->tls->link, asking->service, asking->request,
                            asking->descriptor, asking->descriptor);
}

static bool pause_request(void *context, int milliseconds)
{
    struct asking const *const asking = context;
    (void)poll(NULL, 0, milliseconds);
    tain_now_g();
    return tain_future(asking->deadline);
}

bool remote_tls_ask(struct remote_tls *tls, int service, struct tls_request const *request,
                    int descriptor, tain const *deadline, char reason[TLS_REASON_MAX + 1])
{
    remote_tls_clear(tls);
    if (service < 0)
        return fail(tls, reason, "there is no TLS service");
    /* A service that hangs does not read: the packet alone would then wait for good. */
    struct asking asking = {.tls = tls,
                            .service = service,
                            .descriptor = descriptor,
                            .request = request,
                            .deadline = deadline};
    struct packet_attempt const attempt = {send_request, pause_request, &asking};
    if (!await(service, IOPAUSE_WRITE, deadline) || !packet_insist(&attempt, INT64_MAX)) {
        int const number = errno;
        remote_tls_clear(tls);
        return fail(tls, reason,
                    number == EPIPE ? "the TLS service is gone (ekiden-tls)" : strerror(number));
    }
    return receive(tls, TLS_READY, deadline, reason);
}

bool remote_tls_begin(struct remote_tls *tls, int *descriptor, tain const *deadline,
                      char reason[TLS_REASON_MAX + 1])
{
    bool const gone = !tls_go(&tls->link);
    close(*descriptor);
    *descriptor = -1;
    if (gone)
        return fail(tls, reason, "the TLS engine is gone");
    if (!receive(tls, TLS_HANDSHAKE, deadline, reason))
        return false;
    if (ndelay_on(tls->link.plain) < 0)
        return fail(tls, reason, strerror(errno));
    *descriptor = tls->link.plain;
    tls->active = true;
    return true;
}
