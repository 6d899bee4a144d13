/* What is asked of the scheduler at the socket `control` of the queue (SOCK_SEQPACKET): one
 * operation on one message a packet, and one packet of answer to each, in order. Text fields, each
 * ended by NUL:
 *
 *   OPERATION NUL ID NUL PLACE NUL
 *     OPERATION is one of the letters below; ID is empty for QUEUE_RETRY_ALL. PLACE is where the
 *     asker saw the message: `new`, `hold`, `bad`, a slot's number, or empty; only a hint.
 *   OUTCOME ID NUL TEXT NUL
 *     OUTCOME is one of the letters below; TEXT says why, and is empty for QUEUE_DONE. */
#ifndef EKIDEN_QUEUE_CONTROL_H
#define EKIDEN_QUEUE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "queue/queue_file.h"

#define QUEUE_CONTROL_NAME       "control"
#define QUEUE_CONTROL_PACKET_MAX 256  /* bytes, of both kinds */
#define QUEUE_CONTROL_TEXT_MAX   160  /* bytes of an answer's text, without the NUL */
#define QUEUE_PLACE_UNKNOWN      (-4) /* beside those of enum send_place */

enum queue_operation {
    QUEUE_HOLD = 'h',
    QUEUE_RELEASE = 'l',
    QUEUE_RETRY = 'r',
    QUEUE_RETRY_ALL = 'a',
    QUEUE_DROP = 'd',
    QUEUE_BOUNCE = 'b'
};

struct queue_request {
    enum queue_operation operation; /* 0: none */
    int place;                      /* enum send_place, a slot, or QUEUE_PLACE_UNKNOWN */
    bool unsure;                    /* of the scheduler: deliveries have ended without a result */
    uid_t who; /* asks, for the log: never what a packet says, but what the kernel does */
    char id[QUEUE_ID_LENGTH + 1];
};

enum queue_outcome {
    QUEUE_DONE = 'K',
    QUEUE_WAITS = 'W',   /* noted: done when the deliveries that are under way have ended */
    QUEUE_GONE = 'G',    /* no such message is in the queue (any more) */
    QUEUE_NOTHING = 'N', /* does not apply to the message as it is */
    QUEUE_FAILED = 'Z'   /* a system call failed, or the file is damaged */
};

struct queue_answer {
    enum queue_outcome outcome;
    char id[QUEUE_ID_LENGTH + 1];
    char text[QUEUE_CONTROL_TEXT_MAX + 1];
};

/* `hold`, `release`, ...: as the command is called. "unknown" for what is none. */
char const *queue_operation_name(enum queue_operation operation);

/* Write the wire form, and return its length. */
size_t queue_request_format(char packet[QUEUE_CONTROL_PACKET_MAX],
                            struct queue_request const *request);
size_t queue_answer_format(char packet[QUEUE_CONTROL_PACKET_MAX],
                           struct queue_answer const *answer);

/* False: not of the form. An id that is not the name of a queue file is not. */
bool queue_request_parse(struct queue_request *request, char const *packet, size_t length);
bool queue_answer_parse(struct queue_answer *answer, char const *packet, size_t length);

/* Makes *ANSWER: OUTCOME for ID, with TEXT (cut) and, unless NUMBER is 0, the text of that errno.
 */
void queue_answer_set(struct queue_answer *answer, char const *id, enum queue_outcome outcome,
                      char const *text, int number);

#endif
