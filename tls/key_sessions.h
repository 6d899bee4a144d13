/* The TLS sessions that clients can resume (RFC 5246 F.1.4): a table of master secrets that only
 * the key process has, and never gives away. Engines get what a session's secret makes of a server
 * random that was chosen here (tls/key_resume.h).
 *
 * A session is found by its id, the certificate it was made with, and the name that its client had
 * asked for: all three, or not at all. They are kept as a keyed hash, so that who asks can neither
 * aim at a place in the table nor learn by time what is in it. */
#ifndef EKIDEN_KEY_SESSIONS_H
#define EKIDEN_KEY_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "tls/key_protocol.h"

#define KEY_SESSIONS_MAX         4096 /* of more, the oldest give way */
#define KEY_SESSIONS_SECONDS_MAX 3600

struct key_session {
    unsigned char tag[32]; /* the keyed hash */
    unsigned char secret[KEY_SECRET_SIZE];
    uint64_t certificate; /* key_entry_number */
    time_t ends;          /* of clock_seconds; 0: there is none here */
    uint16_t suite;
};

struct key_sessions {
    unsigned int seconds;    /* how long a session can be resumed; 0: never */
    struct key_session *all; /* owned: KEY_SESSIONS_MAX, touched only as far as used */
    size_t count;
    unsigned char key[32];
};

/* What a session belongs to. */
struct key_session_name {
    unsigned char const *id; /* KEY_ID_SIZE bytes */
    uint64_t certificate;
    char const *name; /* that the client asked for; LENGTH bytes */
    size_t length;
};

/* An empty table of sessions that live SECONDS (0: nothing is ever kept). False: errno. */
bool key_sessions_start(struct key_sessions *sessions, unsigned int seconds);

/* Keeps SECRET, unless there is a session of that name already: nobody replaces another's. */
void key_sessions_keep(struct key_sessions *sessions, struct key_session_name const *name,
                       uint16_t suite, unsigned char const secret[KEY_SECRET_SIZE]);

/* The session of NAME that can be resumed now; 0: none. Valid until the next call. */
struct key_session const *key_sessions_find(struct key_sessions const *sessions,
                                            struct key_session_name const *name);

/* Wipes the sessions that are over, and those whose certificate IS_CURRENT denies. */
void key_sessions_sweep(struct key_sessions *sessions,
                        bool (*is_current)(void const *context, uint64_t certificate),
                        void const *context);

/* Wipes and frees all. */
void key_sessions_end(struct key_sessions *sessions);

#endif
