/* What the key process does for an engine whose client resumes a session, or will want to: one
 * session a channel is kept, after its key exchange was signed, and one is looked for.
 *
 * Ids are made here. They go over the network in the clear before the handshake is over: an engine
 * that could choose its own would take those of others, whose clients then could not resume.
 *
 * The master secret stays here. An engine that has been taken over could else ask for the sessions
 * of others, whose ids go over the network in the clear, and decrypt what was recorded of them. It
 * gets the keys (RFC 5246 6.3) for a server random that was chosen here for this very question,
 * which are those of no other connection, and the two Finished of one handshake. */
#ifndef EKIDEN_KEY_RESUME_H
#define EKIDEN_KEY_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "tls/key_sessions.h"

struct key_resume {                /* of one channel; secret while found */
    unsigned char id[KEY_ID_SIZE]; /* of the session that is kept */
    bool kept, asked, found;
    bool finished[2]; /* client's, server's */
    uint16_t suite;
    time_t ends; /* of clock_seconds: then it is no longer found */
    unsigned char secret[KEY_SECRET_SIZE];
};

/* What came over the channel, without its letter. */
struct key_question {
    unsigned char const *bytes;
    size_t length;
};

/* How long what was found waits for both Finished, whatever becomes of the session meanwhile. */
#define KEY_RESUME_SECONDS 60

/* Of a new channel. False: errno, there is no randomness. */
bool key_resume_start(struct key_resume *resume);

/* Wipes what was found, if its time is over. */
void key_resume_expire(struct key_resume *resume, time_t now);

/* Keeps the session of a `K`, made with CERTIFICATE for NAME (LENGTH bytes). False: that is none,
 * or the second one. */
bool key_resume_keep(struct key_sessions *sessions, struct key_resume *resume,
                     struct key_question question, uint64_t certificate, char const *name,
                     size_t length);

/* Takes an `L` apart: *name is what the client asks for. False: it is none, or the second one. */
bool key_resume_ask(struct key_resume *resume, struct key_question question, char const **name,
                    size_t *length);

/* Answers that `L` into ANSWER. Returns the answer's length, 0: there is no such session. */
size_t key_resume_load(struct key_sessions const *sessions, struct key_resume *resume,
                       struct key_question question, uint64_t certificate,
                       unsigned char answer[KEY_RESUMED_SIZE]);

/* Answers a `D` into ANSWER. False: that is none, or the second one of its kind. */
bool key_resume_finish(struct key_resume *resume, struct key_question question,
                       unsigned char answer[KEY_FINISHED_ANSWER_SIZE]);

#endif
