/* Hands recipients of the active messages to the delivery agents, and takes the answers. */
#ifndef EKIDEN_SEND_DISPATCH_H
#define EKIDEN_SEND_DISPATCH_H

#include "queue/send.h"

/* Hands out up to a bounded number of recipients. True when more could be handed out at once. */
bool send_dispatch_turn(struct send *send);

/* Takes the answers that AGENT has sent. False when it is gone. */
bool send_dispatch_answers(struct send *send, unsigned int agent);

/* AGENT died, or lied. What it had in hand may be what kills it: its recipients are put off. But
 * one that came a moment ago was most likely only beside that, and stays where it is. */
void send_dispatch_died(struct send *send, unsigned int agent);

/* The scheduler does not wait for AGENT any longer: its deliveries have no result, their messages
 * stay where they are. */
void send_dispatch_lost(struct send *send, unsigned int agent);

/* Takes back what was not handed out yet of MESSAGE: an operator wants it. */
void send_dispatch_break(struct send *send, struct send_message *message);

/* Takes back the recipients that were not handed out yet: the scheduler ends. */
void send_dispatch_stop(struct send *send);

#endif
