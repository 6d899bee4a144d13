/* The wake FIFO, the injector's side: tells the scheduler of a new message at once. */
#ifndef EKIDEN_WAKE_H
#define EKIDEN_WAKE_H

/* Opens the FIFO `wake` of the folder QUEUE. It is opened for both directions, so that this works
 * before there is a scheduler and no write ever meets a missing reader. -1: errno; mail is queued
 * all the same, and found when the scheduler next looks through new/. */
int wake_open(int queue);

/* Writes ID. Never waits: when the FIFO is full the scheduler will look through new/ anyway. */
void wake_scheduler(int wake, char const *id);

#endif
