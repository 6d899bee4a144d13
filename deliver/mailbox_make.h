/* A mailbox folder with its Maildir, made where it is missing. */
#ifndef EKIDEN_MAILBOX_MAKE_H
#define EKIDEN_MAILBOX_MAKE_H

#include "deliver/failure.h"

/* Opens PATH/Maildir below ROOT and returns its descriptor (close-on-exec). PATH is valid
 * (mailbox_path_is_valid). What is missing of PATH is made with mode 0700; Maildir appears with its
 * tmp, new and cur or not at all, and all of it is durable. A Maildir that exists is not repaired:
 * whoever removed its folders meant something. -1: FAILURE says why. */
int mailbox_make(int root, char const *path, struct failure *failure);

#endif
