#include "tls/key_resume.h"

#include <string.h>
#include <sys/random.h>

#include <bearssl.h>

#include "lib/clock.h"
#include "tls/suites.h"

static br_tls_prf_impl find_prf(uint16_t suite)
{
    return suite_hash(suite) == br_sha384_ID ? br_tls12_sha384_prf : br_tls12_sha256_prf;
}

bool key_resume_start(struct key_resume *resume)
{
    *resume = (struct key_resume){.kept = false};
    return getrandom(resume->id, sizeof resume->id, 0) == (ssize_t)sizeof resume->id;
}

static void forget(struct key_resume *resume)
{
    resume->found = false;
    explicit_bzero(resume->secret, sizeof resume->secret);
}

void key_resume_expire(struct key_resume *resume, time_t now)
{
    if (resume->found && resume->ends <= now)
        forget(resume);
}

bool key_resume_keep(struct key_sessions *sessions, struct key_resume *resume,
                     struct key_question question, uint64_t certificate, char const *name,
                     size_t length)
{
    unsigned char const *const bytes = question.bytes;
    struct key_session_name const session = {
        .id = resume->id, .certificate = certificate, .name = name, .length = length};
    if (resume->kept || question.length != 2 + KEY_SECRET_SIZE)
        return false;
    uint16_t const suite = (uint16_t)(bytes[0] << 8 | bytes[1]);
    if (!suite_hash(suite))
        return false;
    resume->kept = true;
    key_sessions_keep(sessions, &session, suite, bytes + 2);
    return true;
}

bool key_resume_ask(struct key_resume *resume, struct key_question question, char const **name,
                    size_t *length)
{
    size_t const head = KEY_ID_SIZE + KEY_RANDOM_SIZE;
    if (resume->asked || question.length < head || question.length > head + KEY_NAME_MAX)
        return false;
    resume->asked = true;
    *name = (char const *)question.bytes + head;
    *length = question.length - head;
    return true;
}

/* As BearSSL makes a server random of a generator that was just seeded: four octets of zero, which
 * were the time once, and 28 of its output. */
static void make_random(unsigned char const seed[KEY_SEED_SIZE],
                        unsigned char random[KEY_RANDOM_SIZE])
{
    br_hmac_drbg_context generator;
    br_hmac_drbg_init(&generator, &br_sha256_vtable, seed, KEY_SEED_SIZE);
    memset(random, 0, 4);
    br_hmac_drbg_generate(&generator, random + 4, KEY_RANDOM_SIZE - 4);
    explicit_bzero(&generator, sizeof generator);
}

size_t key_resume_load(struct key_sessions const *sessions, struct key_resume *resume,
                       struct key_question question, uint64_t certificate,
                       unsigned char answer[KEY_RESUMED_SIZE])
{
    size_t const head = KEY_ID_SIZE + KEY_RANDOM_SIZE;
    struct key_session_name const name = {.id = question.bytes,
                                          .certificate = certificate,
                                          .name = (char const *)question.bytes + head,
                                          .length = question.length - head};
    struct key_session const *const session = key_sessions_find(sessions, &name);
    unsigned char random[KEY_RANDOM_SIZE];
    unsigned char *const seed = answer + 1 + 2;
    if (!session || getrandom(seed, KEY_SEED_SIZE, 0) != KEY_SEED_SIZE)
        return 0;
    resume->found = true;
    resume->suite = session->suite;
    resume->ends = clock_seconds() + KEY_RESUME_SECONDS;
    memcpy(resume->secret, session->secret, sizeof resume->secret);
    make_random(seed, random);
    br_tls_prf_seed_chunk const chunks[] = {{random, sizeof random},
                                            {question.bytes + KEY_ID_SIZE, KEY_RANDOM_SIZE}};
    answer[0] = KEY_RESUMED;
    answer[1] = (unsigned char)(session->suite >> 8);
    answer[2] = (unsigned char)session->suite;
    find_prf(session->suite)(seed + KEY_SEED_SIZE, KEY_BLOCK_SIZE, resume->secret,
                             sizeof resume->secret, "key expansion", 2, chunks);
    return KEY_RESUMED_SIZE;
}

bool key_resume_finish(struct key_resume *resume, struct key_question question,
                       unsigned char answer[KEY_FINISHED_ANSWER_SIZE])
{
    if (!resume->found ||
        question.length != 1 + (suite_hash(resume->suite) == br_sha384_ID ? 48u : 32u))
        return false;
    bool const server = question.bytes[0] == KEY_SERVER_FINISHED;
    if (resume->finished[server] || (!server && question.bytes[0] != KEY_CLIENT_FINISHED))
        return false;
    resume->finished[server] = true;
    br_tls_prf_seed_chunk const chunk = {question.bytes + 1, question.length - 1};
    answer[0] = KEY_FINISH;
    find_prf(resume->suite)(answer + 1, KEY_FINISHED_SIZE, resume->secret, sizeof resume->secret,
                            server ? "server finished" : "client finished", 1, &chunk);
    if (resume->finished[0] && resume->finished[1])
        forget(resume);
    return true;
}
