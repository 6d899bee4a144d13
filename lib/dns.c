/* Asking: waits for all questions of one call. */
#include "lib/dns.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/dns_batch.h"

void dns_ask(struct dns_servers const *servers, struct dns_question const *questions,
             struct dns_answer *answers, size_t count, tain const *deadline)
{
    struct dns_batch batch = {.servers = servers};
    for (size_t i = 0; i < count; i++)
        dns_batch_ask(&batch, questions + i, answers + i, deadline);
    while (batch.count > 0 && tain_future(deadline)) {
        iopause_fd waits[DNS_ASK_MAX] = {{.fd = -1}};
        tain nearest = *deadline;
        unsigned int const waiting = dns_batch_waits(&batch, waits, &nearest);
        int const ready = iopause_g(waits, waiting, &nearest);
        if (ready < 0 && errno != EINTR)
            break;
        if (ready <= 0) {
            tain_now_g();
            for (unsigned int i = 0; i < waiting; i++)
                waits[i].revents = 0;
        }
        dns_batch_serve(&batch, waits);
    }
    dns_batch_give_up(&batch);
}

char const *dns_type_name(enum dns_type type)
{
    switch (type) {
    case DNS_A:
        return "A";
    case DNS_AAAA:
        return "AAAA";
    case DNS_MX:
        return "MX";
    case DNS_PTR:
        return "PTR";
    case DNS_TXT:
        return "TXT";
    case DNS_CNAME:
        break;
    }
    return "CNAME";
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
