/* The folder of ekiden-serve: control/, queue/, mail/, state/, judge/ and the socket inject in one
 * place. */
#ifndef EKIDEN_SERVE_FOLDER_H
#define EKIDEN_SERVE_FOLDER_H

#include <skalibs/stralloc.h>

struct serve_folder {
    stralloc control, queue, mail, inject, state, judge; /* NUL-terminated paths, owned */
};

/* Makes what is missing of ROOT and locks it for as long as this process lives: one server a
 * folder. A control folder that has settings is left alone; one without a file gets safe defaults,
 * and the mailboxes that these name are made. Dies with 100 or 111 after logging when it cannot. */
void serve_folder_make(struct serve_folder *folder, char const *root);

#endif
