/* The address of the injector's unix socket. */
#ifndef EKIDEN_INJECT_PATH_H
#define EKIDEN_INJECT_PATH_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Fills ADDRESS with the socket PATH, for bind or connect. An address holds 107 bytes: a longer
 * path is reached through a descriptor of its folder (/proc/self/fd), which is put into *folder,
 * to be closed after the call; else that is -1. False: errno. */
bool inject_path_address(struct sockaddr_un *address, char const *path, int *folder);

#endif
