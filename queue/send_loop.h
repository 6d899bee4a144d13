/* The scheduler's loop: waits for new mail, for agents, for the time and for signals. */
#ifndef EKIDEN_SEND_LOOP_H
#define EKIDEN_SEND_LOOP_H

#include "queue/send.h"

/* Traps the signals; SIGNALS is the descriptor to wait on. False after logging. */
bool send_loop_signals(int *signals);

/* Runs until SIGTERM (returns 0) or until an agent is gone (111). */
int send_loop(struct send *send, int signals);

#endif
