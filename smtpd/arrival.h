/* A message on its way from the client to the queue: what DATA and BDAT have in common. */
#ifndef EKIDEN_ARRIVAL_H
#define EKIDEN_ARRIVAL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/date.h"
#include "lib/hops.h"
#include "queue/queue_file.h"
#include "smtpd/data.h"
#include "smtpd/policy.h"
#include "smtpd/results_filter.h"
#include "smtpd/submission.h"

struct session;

enum arrival_stage {
    ARRIVAL_NONE,   /* RCPT is still allowed */
    ARRIVAL_OPEN,   /* the queue has the envelope and what came so far */
    ARRIVAL_REFUSED /* of a message in chunks: the client knows; the rest of them is dropped */
};

/* What the header meets on its way. */
enum arrival_care {
    ARRIVAL_AS_IT_IS,  /* of a relay client */
    ARRIVAL_STRANGER,  /* results_filter: who is nobody to us cannot speak in our name */
    ARRIVAL_SUBMISSION /* submission: users' messages may need completion */
};

/* Part of the session. */
struct arrival {
    enum arrival_stage stage;
    enum arrival_care care;
    struct data data;
    struct hops hops;
    bool memory; /* there was none for the Received field */
    bool too_large;
    bool abandoned; /* submit_abort was called; the rest is read and dropped */
    bool judged;    /* the header's From was */
    enum policy_rule from;
    char date[DATE_SIZE];
    char message_id[1 + QUEUE_ID_LENGTH + 1 + ADDRESS_DOMAIN_MAX + 2];
    struct results_filter results; /* of strangers; these two: touched only as far as used */
    struct submission submission;  /* where users send */
};

/* Opens a message in the queue for the transaction, with its envelope and Received field. */
void arrival_open(struct session *session, enum data_form form);

/* Takes up to MOST octets of what the stream holds. *used says how many. True at the end of the
 * message, which only DATA's form has. */
bool arrival_take(struct session *session, size_t most, size_t *used);

/* The last chunk was taken. */
void arrival_finish(struct session *session);

/* Discards the message at once, so that its space is free again. */
void arrival_abandon(struct session *session);

#endif
