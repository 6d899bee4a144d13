#include "deliver/remote_refusals.h"

#include <stdio.h>
#include <string.h>

static bool is_of(struct remote_refusal const *entry, char const *host, uint16_t port,
                  char const *reference)
{
    return entry->port == port && strcmp(entry->host, host) == 0 &&
           strcmp(entry->reference, reference) == 0;
}

void remote_refusals_note(struct remote_refusals *refusals, char const *host, uint16_t port,
                          char const *reference)
{
    struct remote_refusal *entry = NULL;
    for (unsigned int i = 0; i < REMOTE_REFUSALS_MAX && !entry; i++)
        if (is_of(refusals->entries + i, host, port, reference))
            entry = refusals->entries + i;
    if (!entry)
        entry = refusals->entries + refusals->next++ % REMOTE_REFUSALS_MAX;
    snprintf(entry->host, sizeof entry->host, "%s", host);
    entry->port = port;
    snprintf(entry->reference, sizeof entry->reference, "%s", reference);
    tain_addsec_g(&entry->until, REMOTE_REFUSALS_SECONDS);
}

bool remote_refusals_has(struct remote_refusals const *refusals, struct remote_way const *way)
{
    if (!way->reference)
        return false;
    for (unsigned int i = 0; i < REMOTE_REFUSALS_MAX; i++)
        if (is_of(refusals->entries + i, way->host, way->port, way->reference))
            return tain_future(&refusals->entries[i].until);
    return false;
}

void remote_refusals_clear(struct remote_refusals *refusals)
{
    memset(refusals, 0, sizeof *refusals);
}
