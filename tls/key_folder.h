/* From the name that a client asks for to the folder of a certificate.
 *
 * tls/NAME/ is for NAME, tls/_.PARENT/ for all names one label below PARENT, tls/default/ for all
 * others, and for clients that ask for none. A name comes from the network: whatever is not a host
 * name in plain form asks for nothing. */
#ifndef EKIDEN_KEY_FOLDER_H
#define EKIDEN_KEY_FOLDER_H

#include <stddef.h>

#define KEY_FOLDER_DEFAULT "default"
#define KEY_FOLDER_MAX     253 /* octets of a folder's name */
#define KEY_FOLDERS        3   /* that may be for one name */

struct key_folders {
    char names[KEY_FOLDERS][KEY_FOLDER_MAX + 1];
    size_t count;
};

/* The folders for NAME (LENGTH bytes of any kind), the nearest first; the last is always the
 * default. A name is letters, digits, hyphens and underscores in labels of 1 to 63, at most 253
 * octets, with no dot at its end; the folder has it in lower case. A label that is `_` alone is
 * none: it stands for the wildcard. */
void key_folders_find(struct key_folders *folders, char const *name, size_t length);

#endif
