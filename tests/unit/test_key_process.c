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
        key_process_run(&control, ends[1]);
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
    assert_cut_off(channel); /* one is all */
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
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start, stop);
}
