/* Prints the list of the queue, which the injector gives. */
#ifndef EKIDEN_QUEUE_SHOW_H
#define EKIDEN_QUEUE_SHOW_H

/* Asks at the socket PATH and prints to standard output, each byte that is no printable ASCII
 * escaped. Dies (tools/problem.h) when there is no answer, or when this user is given none. */
void queue_show(char const *path);

#endif
