/* Asking: waits for all exchanges of one call. */
#include "lib/dns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/iopause.h>

#include "lib/dns_exchange.h"

/* Waits until something came or a next try is due, and serves that. False: it cannot wait. */
static bool wait_and_serve(struct dns_exchange *exchanges, size_t count, tain const *deadline)
{
    iopause_fd waits[DNS_ASK_MAX];
    struct dns_exchange *waiting[DNS_ASK_MAX];
    unsigned int found = 0;
    tain nearest = *deadline;
    for (size_t i = 0; i < count; i++) {
        struct dns_exchange *exchange = exchanges + i;
        if (exchange->finished)
            continue;
        if (tain_less(&exchange->deadline, &nearest))
            nearest = exchange->deadline;
        waits[found] = (iopause_fd){.fd = exchange->descriptor,
                                    .events = exchange->writes ? IOPAUSE_WRITE : IOPAUSE_READ};
        waiting[found++] = exchange;
    }
    int const ready = iopause_g(waits, found, &nearest);
    if (ready < 0 && errno != EINTR)
        return false;
    if (ready < 0)
        tain_now_g();
    for (unsigned int i = 0; i < found; i++) {
        /* What has come counts, even when we come late to it. */
        if (ready > 0 && waits[i].revents)
            dns_exchange_serve(waiting[i]);
        if (!waiting[i]->finished && !tain_future(&waiting[i]->deadline) && tain_future(deadline))
            dns_exchange_time_out(waiting[i]);
    }
    return true;
}

static bool are_finished(struct dns_exchange const *exchanges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!exchanges[i].finished)
            return false;
    return true;
}

void dns_ask(struct dns_servers const *servers, struct dns_question const *questions,
             struct dns_answer *answers, size_t count, tain const *deadline)
{
    struct dns_exchange *exchanges =
        count <= DNS_ASK_MAX ? calloc(count + 1, sizeof *exchanges) : NULL;
    if (!exchanges) {
        for (size_t i = 0; i < count; i++)
            answers[i] = (struct dns_answer){.status = DNS_TEMPORARY, .reason = "out of memory"};
        return;
    }
    for (size_t i = 0; i < count; i++)
        dns_exchange_begin(exchanges + i, servers, questions + i, answers + i, deadline);
    while (!are_finished(exchanges, count) && tain_future(deadline) &&
           wait_and_serve(exchanges, count, deadline))
        ;
    for (size_t i = 0; i < count; i++)
        if (!exchanges[i].finished)
            dns_exchange_fail(exchanges + i, DNS_SILENCE);
    free(exchanges);
}

void dns_reverse_name(char name[DNS_REVERSE_MAX], ip46 const *ip)
{
    unsigned char const *bytes = (unsigned char const *)ip->ip;
    if (!ip46_is6(ip)) {
        snprintf(name, DNS_REVERSE_MAX, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2], bytes[1],
                 bytes[0]);
        return;
    }
    for (int i = 15; i >= 0; i--, name += 4)
        snprintf(name, 5, "%x.%x.", bytes[i] & 15u, bytes[i] >> 4);
    memcpy(name, "ip6.arpa", sizeof "ip6.arpa");
}
