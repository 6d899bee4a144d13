/* Answers the questions of one session until its socket ends. */
#ifndef EKIDEN_JUDGE_SERVE_H
#define EKIDEN_JUDGE_SERVE_H

#include "judge/judge.h"

/* SOCKET is read and written without a wait. Returns an exit code: 0 when the session is over, 111
 * after logging. */
int judge_serve(struct judge *judge, int socket);

#endif
