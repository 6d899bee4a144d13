/* The key process as an engine meets it, and as one meets it that was taken over. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <bearssl.h>

#include "lib/packet.h"
#include "tls/key_channel.h"
#include "tls/key_process.h"
#include "tls/key_resume.h"
#include "tls/key_sessions.h"

static char const chain_text[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbzCCARWgAwIBAgIUOnCBImp2eHnC4TBCiacvgwCk98kwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBeDAgFw0yNjExMjIxMjAzNDBaGA8yMTI2MTAyOTEyMDM0MFow\n"
    "DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEXhaY54JfZ+\n"
    "H4Bwl+S7+DjQVJ2izMg3pwacdxbvNjzWz5391uTaMM6dFK2n71YQHoQjNGu2E3Ds\n"
    "MikY6beWWW+jUzBRMB0GA1UdDgQWBBSmbtzOuIBV431Rgr7jgsXbWLZEvjAfBgNV\n"
    "HSMEGDAWgBSmbtzOuIBV431Rgr7jgsXbWLZEvjAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0gAMEUCIBitwzSNv8GSScbXTkUUQr7FtX9BocaKxdY6u0nsLbUO\n"
    "AiEA1IhkJjvOjDy05tve5sufYrOGz8zNurcNJEazy33KrU8=\n"
    "-----END CERTIFICATE-----\n";
static char const key_text[] = "-----BEGIN EC PRIVATE KEY-----\n"
                               "MHcCAQEEIFKdOaUD9CVBl6YOXNEplnTHyLtDVA5lqI0Poqx1C+XKoAoGCCqGSM49\n"
                               "AwEHoUQDQgAEReFpjngl9n4fgHCX5Lv4ONBUnaLMyDenBpx3Fu82PNbPnf3W5Now\n"
                               "zp0UrafvVhAehCM0a7YTcOwyKRjpt5ZZbw==\n"
                               "-----END EC PRIVATE KEY-----\n";

static char folder[] = "/tmp/ekiden-key-XXXXXX";
static struct control control = {.directory = -1, .path = folder};
static int channels;
static pid_t process;

static void write_file(char const *name, char const *text)
{
    int const file = openat(control.directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

static int start(void **state)
{
    int ends[2];
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    control.directory = open(folder, O_RDONLY | O_DIRECTORY);
    if (mkdirat(control.directory, "tls", 0700) != 0 ||
        mkdirat(control.directory, "tls/default", 0700) != 0 || !packet_pair(ends))
        return -1;
    write_file("tls/default/chain.pem", chain_text);
    write_file("tls/default/key.pem", key_text);
    process = fork();
    if (process == 0) {
        close(ends[0]);
        key_process_run(&control, ends[1], true);
    }
    close(ends[1]);
    channels = ends[0];
    return process > 0 ? 0 : -1;
}

static int stop(void **state)
{
    int status;
    (void)state;
    close(channels);
    unlinkat(control.directory, "tls/default/chain.pem", 0);
    unlinkat(control.directory, "tls/default/key.pem", 0);
    unlinkat(control.directory, "tls/default", AT_REMOVEDIR);
    unlinkat(control.directory, "tls", AT_REMOVEDIR);
    rmdir(folder);
    /* It ends by itself when nobody is left. */
    return waitpid(process, &status, 0) == process && WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? 0
               : -1;
}

static int make_channel(void)
{
    int channel;
    assert_null(key_channel_make(channels, &channel));
    return channel;
}

static void open_default(int channel, struct key_chain *chain)
{
    char text[KEY_TEXT_MAX + 1];
    *chain = (struct key_chain){.bytes = NULL};
    assert_true(key_channel_open(channel, "", chain, text));
}

static size_t make_exchange(unsigned char input[KEY_INPUT_MAX])
{
    memset(input, 4, KEY_INPUT_MAX);
    memcpy(input + 64, "\3\0\27\101", 4); /* a named curve, P-256, 65 octets */
    return 64 + 4 + 65;
}

static void ask(int channel, void const *bytes, size_t length)
{
    assert_int_equal(send(channel, bytes, length, MSG_NOSIGNAL), length);
}

/* No answer comes, and no other one will. */
static void assert_cut_off(int channel)
{
    char answer[16];
    assert_int_equal(packet_receive(channel, answer, sizeof answer, NULL, NULL), 0);
    close(channel);
}

static void test_one_exchange_is_signed(void **state)
{
    unsigned char input[KEY_INPUT_MAX], signature[512], hash[32];
    br_x509_decoder_context decoder;
    br_sha256_context context;
    struct key_chain chain;
    (void)state;
    int const channel = make_channel();
    size_t const length = make_exchange(input);
    open_default(channel, &chain);
    assert_int_equal(chain.type, KEY_EC);
    assert_int_equal(chain.count, 1);
    size_t const size =
        key_channel_sign(channel, 0x0403, input, length, signature, sizeof signature);
    assert_true(size > 0);
    br_x509_decoder_init(&decoder, NULL, NULL);
    br_x509_decoder_push(&decoder, chain.certificates[0].data, chain.certificates[0].data_len);
    br_sha256_init(&context);
    br_sha256_update(&context, input, length);
    br_sha256_out(&context, hash);
    assert_int_equal(br_ecdsa_i31_vrfy_asn1(&br_ec_all_m31, hash, sizeof hash,
                                            &br_x509_decoder_get_pkey(&decoder)->key.ec, signature,
                                            size),
                     1);
    ask(channel, "S", 1); /* one is all */
    assert_cut_off(channel);
    free(chain.bytes);
}

static void test_nothing_else_is_signed(void **state)
{
    static struct {
        size_t length, at;
        unsigned char octet;
        unsigned int algorithm;
    } const cases[] = {
        {132, 64, 3, 0x0403},  {134, 64, 3, 0x0403}, {133, 64, 1, 0x0403}, {133, 66, 24, 0x0403},
        {133, 67, 64, 0x0403}, {133, 68, 2, 0x0403}, {32, 0, 4, 0x0403},   {0, 0, 4, 0x0403},
        {133, 64, 3, 0x0401},  {133, 64, 3, 0x0203}, {133, 64, 3, 0x0000}, {133, 64, 3, 0x0804},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char input[KEY_INPUT_MAX], signature[512];
        struct key_chain chain;
        int const channel = make_channel();
        make_exchange(input);
        input[cases[i].at] = cases[i].octet;
        open_default(channel, &chain);
        assert_int_equal(key_channel_sign(channel, cases[i].algorithm, input, cases[i].length,
                                          signature, sizeof signature),
                         0);
        free(chain.bytes);
        close(channel);
    }
}

static void test_a_signature_needs_a_chain(void **state)
{
    unsigned char packet[3 + KEY_INPUT_MAX] = {KEY_SIGN, 4, 3};
    (void)state;
    int const channel = make_channel();
    ask(channel, packet, 3 + make_exchange(packet + 3));
    assert_cut_off(channel);
}

static void test_what_is_no_question(void **state)
{
    static char const *const packets[] = {"X", "N", "C", "F", "o", "", "S", "S12"};
    char large[4096];
    (void)state;
    for (size_t i = 0; i < sizeof packets / sizeof *packets; i++) {
        int const channel = make_channel();
        ask(channel, packets[i], strlen(packets[i]));
        assert_cut_off(channel);
    }
    memset(large, KEY_OPEN, sizeof large);
    int const channel = make_channel();
    ask(channel, large, sizeof large);
    assert_cut_off(channel);
    int const longer = make_channel();
    ask(longer, large, 1 + KEY_NAME_MAX + 1);
    assert_cut_off(longer);
}

static void test_descriptors_are_refused(void **state)
{
    char letter = KEY_OPEN;
    struct iovec const piece = {.iov_base = &letter, .iov_len = 1};
    int ends[2];
    (void)state;
    int const channel = make_channel();
    assert_int_equal(pipe(ends), 0);
    assert_true(packet_send(channel, &piece, 1, ends + 1, 1));
    close(ends[1]);
    assert_cut_off(channel);
    assert_int_equal(read(ends[0], &letter, 1), 0); /* it was closed there */
    close(ends[0]);
}

static void test_opens_are_counted(void **state)
{
    char text[KEY_TEXT_MAX + 1];
    struct key_chain chain = {.bytes = NULL};
    (void)state;
    int const channel = make_channel();
    for (unsigned int i = 0; i < KEY_OPENS_MAX; i++)
        assert_true(key_channel_open(channel, "a.test", &chain, text));
    assert_false(key_channel_open(channel, "a.test", &chain, text));
    free(chain.bytes);
    close(channel);
}

/* A running handshake signs with the key of the chain that it sent, whatever the files say by then.
 */
static void test_a_chain_keeps_its_key(void **state)
{
    unsigned char input[KEY_INPUT_MAX], signature[512];
    struct key_chain chain, other = {.bytes = NULL};
    char text[KEY_TEXT_MAX + 1];
    (void)state;
    int const first = make_channel(), second = make_channel();
    size_t const length = make_exchange(input);
    open_default(first, &chain);
    write_file("tls/default/key.pem",
               "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert_false(key_channel_open(second, "", &other, text));
    assert_string_equal(text, "tls/default/key.pem is not a whole private key");
    assert_true(key_channel_sign(first, 0x0403, input, length, signature, sizeof signature) > 0);
    write_file("tls/default/key.pem", key_text);
    close(first);
    close(second);
    free(chain.bytes);
    int const third = make_channel();
    open_default(third, &chain);
    close(third);
    free(chain.bytes);
}

/* --- sessions --- */

static unsigned char const client_random[KEY_RANDOM_SIZE] = {9}, secret[KEY_SECRET_SIZE] = {7};

/* A channel on which a key exchange was signed, and the id of the session that it may keep. */
static int make_signed(char const *name, unsigned char id[KEY_ID_SIZE])
{
    unsigned char input[KEY_INPUT_MAX], signature[512];
    struct key_chain chain = {.bytes = NULL};
    char text[KEY_TEXT_MAX + 1];
    int const channel = make_channel();
    size_t const length = make_exchange(input);
    assert_true(key_channel_open(channel, name, &chain, text));
    assert_true(chain.resumes);
    memcpy(id, chain.id, KEY_ID_SIZE);
    free(chain.bytes);
    assert_true(key_channel_sign(channel, 0x0403, input, length, signature, sizeof signature) > 0);
    return channel;
}

/* Whether a session of this id is there for NAME. */
static bool is_kept(unsigned char const id[KEY_ID_SIZE], char const *name,
                    struct key_resumed *resumed)
{
    int const channel = make_channel();
    bool const found = key_channel_load(channel, id, client_random, name, resumed);
    close(channel);
    return found;
}

static void keep(unsigned char id[KEY_ID_SIZE], char const *name)
{
    struct key_resumed resumed;
    int const channel = make_signed(name, id);
    key_channel_keep(channel, BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, secret);
    /* Questions of one channel are answered in order: with this answer it is there. */
    assert_false(key_channel_load(channel, client_random, client_random, name, &resumed));
    close(channel);
}

static void test_a_session_is_for_its_name(void **state)
{
    unsigned char id[KEY_ID_SIZE], other[KEY_ID_SIZE];
    struct key_resumed resumed;
    (void)state;
    keep(id, "a.test");
    assert_true(is_kept(id, "a.test", &resumed));
    assert_int_equal(resumed.suite, BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    assert_false(is_kept(id, "b.test", &resumed));
    assert_false(is_kept(id, "", &resumed));
    memcpy(other, id, sizeof id);
    other[31] ^= 1;
    assert_false(is_kept(other, "a.test", &resumed));
}

/* Keys are those of RFC 5246 6.3 for a random that is another one each time. */
static void test_keys_are_for_one_connection(void **state)
{
    struct key_resumed first, second;
    unsigned char id[KEY_ID_SIZE], random[KEY_RANDOM_SIZE] = {0}, block[KEY_BLOCK_SIZE];
    br_tls_prf_seed_chunk const seeds[] = {{random, sizeof random},
                                           {client_random, sizeof client_random}};
    br_hmac_drbg_context generator;
    (void)state;
    keep(id, "");
    assert_true(is_kept(id, "", &first));
    assert_true(is_kept(id, "", &second));
    assert_memory_not_equal(first.seed, second.seed, sizeof first.seed);
    assert_memory_not_equal(first.block, second.block, sizeof first.block);
    br_hmac_drbg_init(&generator, &br_sha256_vtable, first.seed, sizeof first.seed);
    br_hmac_drbg_generate(&generator, random + 4, sizeof random - 4);
    br_tls12_sha256_prf(block, sizeof block, secret, sizeof secret, "key expansion", 2, seeds);
    assert_memory_equal(first.block, block, sizeof block);
}

static void test_each_finished_is_given_once(void **state)
{
    unsigned char id[KEY_ID_SIZE], hash[32] = {1}, finished[KEY_FINISHED_SIZE], expected[12];
    br_tls_prf_seed_chunk const seed = {hash, sizeof hash};
    struct key_resumed resumed;
    (void)state;
    for (int last = 0; last < 2; last++) {
        keep(id, "");
        int const channel = make_channel();
        assert_true(key_channel_load(channel, id, client_random, "", &resumed));
        assert_true(key_channel_finish(channel, KEY_SERVER_FINISHED, hash, sizeof hash, finished));
        br_tls12_sha256_prf(expected, sizeof expected, secret, sizeof secret, "server finished", 1,
                            &seed);
        assert_memory_equal(finished, expected, sizeof expected);
        assert_true(key_channel_finish(channel, KEY_CLIENT_FINISHED, hash, sizeof hash, finished));
        br_tls12_sha256_prf(expected, sizeof expected, secret, sizeof secret, "client finished", 1,
                            &seed);
        assert_memory_equal(finished, expected, sizeof expected);
        assert_false(key_channel_finish(channel, last ? KEY_CLIENT_FINISHED : KEY_SERVER_FINISHED,
                                        hash, sizeof hash, finished));
        close(channel);
    }
}

/* They are on the wire before the session is kept: who could choose one would take another's. */
static void test_an_engine_chooses_no_id(void **state)
{
    unsigned char first[KEY_ID_SIZE], second[KEY_ID_SIZE], again[KEY_ID_SIZE];
    unsigned char packet[1 + KEY_ID_SIZE + 2 + KEY_SECRET_SIZE] = {KEY_KEEP};
    struct key_resumed resumed;
    struct key_chain chain;
    (void)state;
    int const victim = make_channel();
    open_default(victim, &chain);
    memcpy(first, chain.id, sizeof first);
    free(chain.bytes);
    open_default(victim, &chain);
    memcpy(again, chain.id, sizeof again);
    free(chain.bytes);
    close(victim);
    assert_memory_equal(first, again, sizeof first);
    int const taken = make_signed("", second);
    assert_memory_not_equal(first, second, sizeof first);
    memcpy(packet + 1, first, sizeof first);
    packet[33] = 0xc0, packet[34] = 0x2b;
    ask(taken, packet, sizeof packet);
    assert_cut_off(taken);
    assert_false(is_kept(first, "", &resumed));
    assert_false(is_kept(second, "", &resumed));
}

/* What was found is wiped when an engine lets its time go by, and as soon as it has both. */
static void test_what_was_found_is_wiped(void **state)
{
    static unsigned char const nothing[KEY_SECRET_SIZE];
    static unsigned char id[KEY_ID_SIZE], answer[KEY_RESUMED_SIZE], question[KEY_ID_SIZE + 32];
    unsigned char hash[2][33] = {{KEY_CLIENT_FINISHED}, {KEY_SERVER_FINISHED}}, finished[13];
    struct key_session_name const name = {.id = id, .certificate = 1, .name = "", .length = 0};
    struct key_question const load = {.bytes = question, .length = sizeof question};
    struct key_sessions sessions;
    (void)state;
    assert_true(key_sessions_start(&sessions, 600));
    key_sessions_keep(&sessions, &name, BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, secret);
    for (int in_time = 0; in_time < 2; in_time++) {
        struct key_resume resume;
        assert_true(key_resume_start(&resume));
        assert_int_equal(key_resume_load(&sessions, &resume, load, 1, answer), sizeof answer);
        assert_memory_equal(resume.secret, secret, sizeof secret);
        key_resume_expire(&resume, resume.ends - 1);
        assert_true(resume.found);
        if (!in_time)
            key_resume_expire(&resume, resume.ends);
        for (int i = 0; i < 2; i++) {
            struct key_question const finish = {.bytes = hash[i], .length = sizeof hash[i]};
            assert_int_equal(key_resume_finish(&resume, finish, finished), in_time);
        }
        assert_false(resume.found);
        assert_memory_equal(resume.secret, nothing, sizeof nothing);
    }
    key_sessions_end(&sessions);
}

static void test_a_channel_has_one_session(void **state)
{
    unsigned char packet[1 + 2 + KEY_SECRET_SIZE] = {KEY_KEEP, 0xc0, 0x2b}, id[KEY_ID_SIZE];
    struct key_resumed resumed;
    (void)state;
    int const early = make_channel(); /* nothing was signed */
    ask(early, packet, sizeof packet);
    assert_cut_off(early);
    int const twice = make_signed("", id);
    ask(twice, packet, sizeof packet);
    ask(twice, packet, sizeof packet);
    assert_cut_off(twice);
    int const loads = make_channel();
    assert_false(key_channel_load(loads, client_random, client_random, "", &resumed));
    assert_false(key_channel_load(loads, client_random, client_random, "", &resumed));
    close(loads);
}

static void test_what_is_no_session(void **state)
{
    static struct {
        unsigned char letter;
        size_t length;
    } const cases[] = {{KEY_KEEP, 1},  {KEY_KEEP, 50},   {KEY_KEEP, 52},   {KEY_LOAD, 1},
                       {KEY_LOAD, 64}, {KEY_LOAD, 321},  {KEY_FINISH, 1},  {KEY_FINISH, 34},
                       {KEY_KEEP, 51}, {KEY_FINISH, 50}, {KEY_RESUMED, 9}, {KEY_OPEN, 1}};
    unsigned char packet[400] = {0}, id[KEY_ID_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int const channel = make_signed("", id); /* the suite 0 is none */
        packet[0] = cases[i].letter;
        packet[1] = KEY_SERVER_FINISHED;
        ask(channel, packet, cases[i].length);
        assert_cut_off(channel);
    }
}

static void test_finished_is_of_a_session(void **state)
{
    unsigned char id[KEY_ID_SIZE], packet[50] = {KEY_FINISH};
    static struct {
        char who;
        size_t length;
    } const cases[] = {{'x', 34}, {'s', 33}, {'s', 50}, {'c', 2}};
    struct key_resumed resumed;
    (void)state;
    keep(id, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int const channel = make_channel();
        assert_true(key_channel_load(channel, id, client_random, "", &resumed));
        packet[1] = (unsigned char)cases[i].who;
        ask(channel, packet, cases[i].length);
        assert_cut_off(channel);
    }
}

/* Each of many finds room, and the oldest give way. */
static void test_sessions_are_bounded(void **state)
{
    static unsigned char id[KEY_ID_SIZE];
    struct key_sessions sessions;
    struct key_session_name const name = {.id = id, .certificate = 1, .name = "a", .length = 1};
    size_t found = 0;
    (void)state;
    assert_true(key_sessions_start(&sessions, 60));
    for (unsigned int i = 0; i < 3 * KEY_SESSIONS_MAX; i++) {
        memcpy(id, &i, sizeof i);
        key_sessions_keep(&sessions, &name, 1, secret);
        assert_non_null(key_sessions_find(&sessions, &name));
    }
    for (unsigned int i = 0; i < 3 * KEY_SESSIONS_MAX; i++) {
        memcpy(id, &i, sizeof i);
        found += key_sessions_find(&sessions, &name) != NULL;
    }
    assert_int_equal(found, sessions.count);
    assert_true(found <= KEY_SESSIONS_MAX && found > KEY_SESSIONS_MAX / 2);
    key_sessions_end(&sessions);
}

static bool is_two(void const *context, uint64_t certificate)
{
    (void)context;
    return certificate == 2;
}

static void test_sessions_of_a_former_certificate_are_wiped(void **state)
{
    static unsigned char const id[KEY_ID_SIZE] = {1}, nothing[sizeof(struct key_session)];
    struct key_session_name name = {.id = id, .certificate = 1, .name = "", .length = 0};
    struct key_sessions sessions;
    (void)state;
    assert_true(key_sessions_start(&sessions, 60));
    key_sessions_keep(&sessions, &name, 1, secret);
    struct key_session const *const first = key_sessions_find(&sessions, &name);
    assert_non_null(first);
    name.certificate = 2;
    assert_null(key_sessions_find(&sessions, &name));
    key_sessions_keep(&sessions, &name, 1, secret);
    key_sessions_sweep(&sessions, is_two, NULL);
    assert_memory_equal(first, nothing, sizeof nothing);
    assert_non_null(key_sessions_find(&sessions, &name));
    assert_int_equal(sessions.count, 1);
    key_sessions_end(&sessions);
}

int main(void)
{
    static struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_one_exchange_is_signed),
        cmocka_unit_test(test_nothing_else_is_signed),
        cmocka_unit_test(test_a_signature_needs_a_chain),
        cmocka_unit_test(test_what_is_no_question),
        cmocka_unit_test(test_descriptors_are_refused),
        cmocka_unit_test(test_opens_are_counted),
        cmocka_unit_test(test_a_chain_keeps_its_key),
        cmocka_unit_test(test_a_session_is_for_its_name),
        cmocka_unit_test(test_keys_are_for_one_connection),
        cmocka_unit_test(test_each_finished_is_given_once),
        cmocka_unit_test(test_an_engine_chooses_no_id),
        cmocka_unit_test(test_what_was_found_is_wiped),
        cmocka_unit_test(test_a_channel_has_one_session),
        cmocka_unit_test(test_what_is_no_session),
        cmocka_unit_test(test_finished_is_of_a_session),
        cmocka_unit_test(test_sessions_are_bounded),
        cmocka_unit_test(test_sessions_of_a_former_certificate_are_wiped),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start, stop);
}
