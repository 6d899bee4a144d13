#include "tls/key_sessions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <bearssl.h>

#include "lib/clock.h"

#define WAYS   4 /* places that a tag can have */
#define GROUPS (KEY_SESSIONS_MAX / WAYS)

bool key_sessions_start(struct key_sessions *sessions, unsigned int seconds)
{
    *sessions = (struct key_sessions){.seconds = 0};
    if (!seconds)
        return true;
    if (getrandom(sessions->key, sizeof sessions->key, 0) != (ssize_t)sizeof sessions->key)
        return false;
    sessions->all = calloc(KEY_SESSIONS_MAX, sizeof *sessions->all);
    if (!sessions->all)
        return false;
    sessions->seconds = seconds;
    return true;
}

/* All fields but the last have one length, so that no two names are hashed as the same bytes. */
static void make_tag(struct key_sessions const *sessions, struct key_session_name const *name,
                     unsigned char tag[32])
{
    br_hmac_key_context key;
    br_hmac_context context;
    br_hmac_key_init(&key, &br_sha256_vtable, sessions->key, sizeof sessions->key);
    br_hmac_init(&context, &key, 0);
    br_hmac_update(&context, name->id, KEY_ID_SIZE);
    br_hmac_update(&context, &name->certificate, sizeof name->certificate);
    br_hmac_update(&context, name->name, name->length);
    br_hmac_out(&context, tag);
}

static struct key_session *find_group(struct key_sessions const *sessions,
                                      unsigned char const tag[32])
{
    size_t const number = (size_t)tag[0] << 8 | tag[1];
    return sessions->all + number % GROUPS * WAYS;
}

/* Which tags there are is nobody's knowledge: a comparison that ends early tells nothing. */
static struct key_session *find(struct key_session *group, unsigned char const tag[32], time_t now)
{
    for (size_t i = 0; i < WAYS; i++)
        if (group[i].ends > now && !memcmp(group[i].tag, tag, sizeof group[i].tag))
            return group + i;
    return NULL;
}

static void wipe(struct key_sessions *sessions, struct key_session *session)
{
    sessions->count -= session->ends != 0;
    explicit_bzero(session, sizeof *session);
}

void key_sessions_keep(struct key_sessions *sessions, struct key_session_name const *name,
                       uint16_t suite, unsigned char const secret[KEY_SECRET_SIZE])
{
    unsigned char tag[32];
    time_t const now = clock_seconds();
    if (!sessions->seconds)
        return;
    make_tag(sessions, name, tag);
    struct key_session *const group = find_group(sessions, tag), *place = group;
    if (find(group, tag, now))
        return;
    for (size_t i = 1; i < WAYS; i++)
        if (group[i].ends < place->ends)
            place = group + i;
    wipe(sessions, place);
    memcpy(place->tag, tag, sizeof tag);
    memcpy(place->secret, secret, KEY_SECRET_SIZE);
    place->certificate = name->certificate;
    place->suite = suite;
    place->ends = now + (time_t)sessions->seconds;
    sessions->count++;
}

struct key_session const *key_sessions_find(struct key_sessions const *sessions,
                                            struct key_session_name const *name)
{
    unsigned char tag[32];
    if (!sessions->count)
        return NULL;
    make_tag(sessions, name, tag);
    return find(find_group(sessions, tag), tag, clock_seconds());
}

void key_sessions_sweep(struct key_sessions *sessions,
                        bool (*is_current)(void const *context, uint64_t certificate),
                        void const *context)
{
    time_t const now = clock_seconds();
    for (size_t i = 0; sessions->count && i < KEY_SESSIONS_MAX; i++) {
        struct key_session *const session = sessions->all + i;
        if (session->ends && (session->ends <= now || !is_current(context, session->certificate)))
            wipe(sessions, session);
    }
}

void key_sessions_end(struct key_sessions *sessions)
{
    if (sessions->all)
        explicit_bzero(sessions->all, KEY_SESSIONS_MAX * sizeof *sessions->all);
    free(sessions->all);
    explicit_bzero(sessions, sizeof *sessions);
}
