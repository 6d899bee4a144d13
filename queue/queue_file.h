/* One message, one file. Written in its final folder, durable before anybody is told.
 *
 *   ekiden1 NUL                        form of the file
 *   @ ARRIVAL NUL                      seconds since 1970, decimal
 *   [ B NUL ] [ U NUL ] [ S NUL ]      8BITMIME body; SMTPUTF8 asked for; forwarded by us
 *   the envelope, as in envelope.h: F sender NUL ... ( T recipient NUL ... )+ NUL
 *   message bytes, lines ending in LF
 *   end record, QUEUE_END_SIZE bytes of text:
 *     "\nend HEAD MESSAGE HEADSUM MESSAGESUM\n", the lengths of head and message in 20 digits,
 * their checksums in 16 hexadecimal digits. The checksum of the head takes each mark as T.
 *
 * A file without a valid end record, and without QUEUE_FILE_ACCEPTED in its mode, belongs to a
 * writer (which holds a lock) or is garbage. */
#ifndef EKIDEN_QUEUE_FILE_H
#define EKIDEN_QUEUE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/checksum.h"
#include "queue/envelope.h"

#define QUEUE_ID_LENGTH 20 /* letters and digits, in order of arrival; also the file's name */
#define QUEUE_END_SIZE  81 /* "\nend " 20 " " 20 " " 16 " " 16 "\n": 5+20+1+20+1+16+1+16+1 */
/* A bit of the mode of what was accepted, beside its end record: so a file that is cut off later is
 * not taken for one that was never finished, which is removed in the end. */
#define QUEUE_FILE_MODE     0660
#define QUEUE_FILE_ACCEPTED 01000

#define QUEUE_BUFFER (64u << 10)

/* qmail-queue's exit codes, which are also the answers of an injector session. */
enum queue_status {
    QUEUE_OK = 0,
    QUEUE_ADDRESS_TOO_LONG = 11, /* permanent */
    QUEUE_REFUSED = 31,          /* permanent */
    QUEUE_TOO_LARGE = 34,        /* permanent: databytes */
    QUEUE_LOOP = 35,             /* permanent: too many Received fields */
    QUEUE_NO_MEMORY = 51,        /* this and the following: temporary */
    QUEUE_TIMEOUT = 52,
    QUEUE_WRITE = 53, /* disk full or quota */
    QUEUE_READ = 54,  /* cannot read the message or envelope */
    QUEUE_CONFIGURATION = 55,
    QUEUE_NETWORK = 56,
    QUEUE_FOLDER = 61, /* cannot open the queue */
    QUEUE_SYSTEM = 66, /* any other system call */
    QUEUE_BUSY = 71,   /* a limit is reached that time lifts */
    QUEUE_PAUSED = 75, /* the operator takes no new mail for now */
    QUEUE_BUG = 81,
    QUEUE_CUSTOM = 82, /* the text is on fd 6: D or Z first (permanent, temporary), as in the patch
                          world */
    QUEUE_ENVELOPE = 91, /* malformed envelope */
    QUEUE_UNKNOWN = 256  /* no exit code: who was to say has gone, and the message may be queued */
};

struct queue_file {
    int folder;     /* queue/new, kept open by the caller */
    int descriptor; /* -1: none open */
    char id[QUEUE_ID_LENGTH + 1];
    enum queue_status status; /* QUEUE_OK, or the first failure: all further calls keep it */
    bool in_message;
    struct envelope_parser envelope;
    struct checksum head_sum, message_sum;
    uint64_t head_length, message_length;
    size_t buffered;
    char buffer[QUEUE_BUFFER];
};

/* A new id: time and random. Never fails (getrandom does not after boot). */
void queue_file_name(char id[QUEUE_ID_LENGTH + 1]);
/* True for a string that queue_file_name can have made: the only names that the tools touch. */
bool queue_file_is_name(char const *name);

/* When such a name was made, in seconds since 1970. */
uint64_t queue_file_name_time(char const *name);

enum queue_flags {
    QUEUE_8BIT = 1,
    QUEUE_UTF8 = 2,
    QUEUE_FORWARDED = 4 /* to servers that ask whether its sender's domain lets us send (SPF) it
                           goes under a sender of ours: lib/srs.h */
};

/* Creates FOLDER/ID (O_EXCL, mode 0660), locks it and writes the head up to the envelope. FLAGS are
 * of enum queue_flags. */
enum queue_status queue_file_create(struct queue_file *file, int folder, char const *id,
                                    unsigned int flags);

/* Adds a piece of the envelope (form of envelope.h, closing NUL included), then of the message.
 * Bytes of the envelope after its closing NUL are QUEUE_ENVELOPE. */
enum queue_status queue_file_envelope(struct queue_file *file, char const *bytes, size_t length);
enum queue_status queue_file_message(struct queue_file *file, char const *bytes, size_t length);

/* Adds what of a piece of the two as one stream (envelope, then message) belongs to the envelope;
 * *used says how much that is. file->in_message tells when the rest is the message's. */
enum queue_status queue_file_put_envelope(struct queue_file *file, char const *bytes, size_t length,
                                          size_t *used);

/* Before the fence, and at most once a process: all that it commits is in FOLDER. Without it, all
 * is done as on a file system of which nothing is known. */
void queue_file_learn(int folder);

/* The durable steps: end record, write, fsync(file), fsync(folder). The last one is left out where
 * the journal keeps the order (lib/journal.h): the name was made before the bytes were written, so
 * the fsync of the file has made it durable. Only QUEUE_OK means that the message is safe; on
 * anything else the file was removed. Closes the file. */
enum queue_status queue_file_commit(struct queue_file *file);

/* Removes and closes the file. Nothing happens without an open one. */
void queue_file_abort(struct queue_file *file);

/* --- reading --- */

enum queue_read {
    QUEUE_READ_OK,
    QUEUE_READ_INCOMPLETE, /* no valid end record: garbage, unless its writer comes back */
    QUEUE_READ_LOCKED,     /* somebody holds its lock: it is being written, and nothing is known of
                              it that still holds when one has looked */
    QUEUE_READ_CORRUPT,    /* end record valid, but head or lengths do not fit */
    QUEUE_READ_ERROR       /* errno: a system call failed */
};

/* One of perhaps a million: kept small. */
struct queue_recipient {
    char const *address;  /* into head; NUL-terminated */
    uint64_t mark_offset; /* of its T in the file */
    uint16_t length;
    uint16_t orcpt;       /* where it begins, from ADDRESS on: queue_recipient_orcpt */
    unsigned char mark;   /* enum envelope_mark */
    bool is_unwritten;    /* the file has another mark: queue/send_marks.h */
    unsigned char notify; /* bits of enum dsn_notify; 0: not given */
};
/* Did the sender ask to be told of SUCCESS, FAILURE or DELAY? Without NOTIFY he wants the last two.
 */
bool queue_recipient_wants(struct queue_recipient const *recipient, enum dsn_notify what);
/* The original recipient, in xtext, NUL-terminated. NULL: not given. */
char const *queue_recipient_orcpt(struct queue_recipient const *recipient);

struct queue_message {
    char *head;         /* owned: all before the message bytes */
    char const *sender; /* into head; NUL-terminated, empty for the null sender */
    size_t sender_length;
    char const *envid; /* as sender, in xtext. NULL: not given */
    enum dsn_return return_wish;
    uint64_t arrival; /* seconds since 1970 */
    bool body_8bit, smtputf8, forwarded;
    struct queue_recipient *recipients; /* owned */
    uint32_t recipient_count;
    uint64_t message_offset, message_length, message_sum;
};

/* Reads and checks head and end record of the file behind DESCRIPTOR; the message bytes are not
 * read (whoever copies them checks message_sum). On QUEUE_READ_OK *message must be freed. */
enum queue_read queue_file_read(int descriptor, struct queue_message *message);
void queue_message_free(struct queue_message *message);

#endif
