/* Reports to the sender, at the end of a try: the scheduler asks ekiden-bounce for them. */
#ifndef EKIDEN_SEND_REPORT_H
#define EKIDEN_SEND_REPORT_H

#include "queue/send.h"

/* Asks for a report of KIND on MESSAGE, which stays active until it is answered. Once a try. */
void send_report_ask(struct send *send, struct send_message *message, enum report_kind kind);

/* Hands reports that were asked for to ekiden-bounce, as far as there is room. */
void send_report_turn(struct send *send);

/* Takes ekiden-bounce's answer. After K the failures that it reported count as settled. */
void send_report_answer(struct send *send, struct send_message *message,
                        struct job_answer const *answer);

#endif
