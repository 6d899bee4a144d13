/* All that a session must know, read once by the keeper and shared by fork. */
#ifndef EKIDEN_SETTINGS_H
#define EKIDEN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/judge_settings.h"
#include "lib/batv_settings.h"
#include "lib/control.h"
#include "lib/network.h"
#include "lib/routing.h"
#include "lib/srs_settings.h"
#include "lib/table.h"
#include "queue/queue_room.h"
#include "smtpd/role.h"
#include "smtpd/tarpit.h"

struct settings {
    struct routing routing;       /* me, localiphost, locals, virtualdomains, users */
    char *greeting;               /* smtpgreeting: the name and text after "220 "; default: me */
    struct table rcpthosts;       /* DOMAIN or .PARENT; absent: nothing is accepted from outside */
    struct table morercpthosts;   /* the same, for the large part */
    struct table badmailfrom;     /* ADDRESS, @DOMAIN or .PARENT */
    struct table badrcptto;       /* the same */
    struct table badhelo;         /* NAME or .PARENT */
    struct networks relayclients; /* may relay; not shorter than /8 and /16 */
    struct networks badclients;   /* are turned away at connect */
    uint64_t databytes;           /* a message's size limit in bytes, 0: none; default 50 MiB */
    uint64_t maxrcpt;             /* recipients a message: default 1000, not below 100 */
    uint64_t timeoutsmtpd;        /* seconds for a command or a block of data: default 300 */
    uint64_t timeoutsession;      /* seconds for a session, plus one for each KiB received: 7200 */
    uint64_t maxerrors;           /* errors after which a session ends: default 20 */
    uint64_t concurrencyincoming; /* sessions at once: default 1000 */
    uint64_t concurrencyperip;    /* of one address (IPv6: of one /64): default 100 */
    uint64_t greetdelay;          /* seconds before the greeting: default 0 */
    struct tarpit tarpit;         /* default: none */
    uint64_t timeouttls;          /* seconds for a TLS handshake: default 30 */
    bool tls;                     /* tls/default/ is there: STARTTLS is offered */
    struct role_ports role_ports; /* portroles */
    uint64_t timeoutauth;         /* seconds for ekiden-auth: default 60 */
    uint64_t spftimeout;          /* seconds for an SPF evaluation: default 10 */
    uint64_t spfbehavior;         /* what SPF does: smtpd/spf_identities.h; default 0: nothing */
    uint64_t authcheckfrom;       /* 1: the header From must be the login's own; default 0 */
    struct table authsenders;     /* LOGIN:ADDRESS, LOGIN:@DOMAIN, LOGIN:*, the whole line a key */
    struct srs_settings srs;      /* srs, srsdomain: what comes back to mail that was forwarded */
    struct batv_settings batv;    /* batv, batvexempt, batvcheck: reports on what our users sent */
    struct judge_settings judge;  /* dnsbl, rhsbl, checks, dnsdown, dnsdeadline: ekiden-judge's */
    struct queue_limits room;     /* minfree, maxqueue: what the queue needs to take mail */
    char *queueprogram;           /* absolute path of another qmail-queue; 0: our injector */
};

/* Loads every file. On CONTROL_ERROR *settings is untouched and ERROR names file and line. On
 * CONTROL_OK it is overwritten: what it held before is the caller's to free. */
enum control_result settings_load(struct settings *settings, struct control const *control,
                                  struct control_error *error);
void settings_free(struct settings *settings);

#endif
