/* The program that follows a right password, as the checkpassword interface has it. */
#ifndef EKIDEN_FOLLOW_H
#define EKIDEN_FOLLOW_H

/* Forks. The child returns, and does the check: it writes the login to the descriptor that it gets
 * here, and exits as this program does. The process that was called never reads what a stranger
 * sent, and keeps the user that it has: when the child exits 0 it executes PROGRAM
 * (NULL-terminated) with USER, and else exits as the child did. Dies with exit 111 on failure. */
int follow_prepare(char const *const *program);

#endif
