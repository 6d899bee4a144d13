/* The sender as greylisting sees it. Mailing lists and big senders use one that is new for each
 * message or each attempt (VERP, BATV, SRS); taken to the letter it would be deferred for ever. */
#ifndef EKIDEN_GREYLIST_SENDER_H
#define EKIDEN_GREYLIST_SENDER_H

#define GREYLIST_SENDER_MAX 600

/* Writes SENDER, unquoted as in an envelope, without what changes, in lower case:
 *   prvs=TAG=user@domain, btv1==TAG==user@domain      user@domain (BATV)
 *   srs0=HASH=TIME=host=user@domain                   srs0=host=user@domain
 *   srs1=HASH=host==HASH=TIME=host=user@domain        srs1=host==host=user@domain
 *   list+anything@domain                              list@domain
 *   list-return-2203-user=host@domain                 list-return-#-user=host@domain
 * where `#` stands for words, one behind the other, that are numbers, hexadecimal of 4 digits or
 * more, have a digit among 8 characters or more, or are 20 characters or longer. The null sender
 * stays empty. What is longer than GREYLIST_SENDER_MAX is cut. */
void greylist_sender(char out[GREYLIST_SENDER_MAX + 1], char const *sender);

#endif
