/* The control files of ekiden-judge. ekiden-smtpd loads them too: to find what is wrong in them
 * before it serves (-t), and which questions are worth asking. */
#ifndef EKIDEN_JUDGE_SETTINGS_H
#define EKIDEN_JUDGE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/dnsbl_lists.h"
#include "judge/greylist_settings.h"
#include "judge/limits_settings.h"
#include "judge/question.h"
#include "lib/checks.h"
#include "lib/control.h"
#include "lib/dns.h"

struct judge_settings {
    struct dnsbl_lists dnsbl, rhsbl;
    uint64_t dnsblthreshold; /* the sum of weights from which on a list's hit is a refusal: 1 */
    uint64_t dnsdeadline;    /* seconds that a session's DNS may take in all: 10 */
    bool dnsdown_defers;     /* dnsdown: what cannot be asked is deferred, not accepted */
    struct checks checks;
    struct dns_servers servers; /* loaded only where a rule asks DNS */
    struct greylist_settings greylist;
    struct limits_settings limits;
};

/* Loads them all. On CONTROL_ERROR *settings is as before; on CONTROL_OK it is overwritten: what it
 * held is the caller's to free. */
enum control_result judge_settings_load(struct judge_settings *settings,
                                        struct control const *control, struct control_error *error);

/* Loads the name servers anew, where a rule asks some. On CONTROL_ERROR *settings is as before. */
enum control_result judge_settings_load_servers(struct judge_settings *settings,
                                                struct control const *control,
                                                struct control_error *error);

void judge_settings_free(struct judge_settings *settings);

/* Whether a rule has something to say to a question of KIND. */
bool judge_settings_ask(struct judge_settings const *settings, enum question_kind kind);

/* Whether a rule remembers something. */
bool judge_settings_remember(struct judge_settings const *settings);

#endif
