/* Answers of name servers: what is believed is within its bounds, and nothing but printable ASCII
 * comes out of a name. Names: what is accepted can be asked for. */
#include <arpa/nameser.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dns_packet.h"

#define HEADER    12
#define INPUT_MAX 4096
#define ANSWERED  7 /* bytes of input that become a header: see answer_to_question */
#define NAME      "mx.example.test"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static enum dns_type const types[] = {DNS_A, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA};

static void expect(bool what)
{
    if (!what)
        abort();
}

static void check_name(char const *name)
{
    char again[DNS_NAME_MAX];
    unsigned char packet[DNS_QUERY_MAX];
    struct dns_query query = {.type = DNS_MX, .edns = true};
    for (char const *byte = name; *byte; byte++)
        expect(*byte > ' ' && *byte <= '~' && (*byte < 'A' || *byte > 'Z'));
    expect(dns_query_name(again, *name ? name : ".") && strcmp(again, *name ? name : ".") == 0);
    strcpy(query.name, again);
    expect(dns_query_build(packet, &query) <= sizeof packet);
}

static void check_records(struct dns_answer const *answer, enum dns_type type)
{
    expect(answer->count > 0 && answer->count <= DNS_RECORDS_MAX);
    expect(answer->bytes.len <= DNS_BYTES_MAX);
    for (size_t i = 0; i < answer->count; i++) {
        struct dns_record const *record = answer->records + i;
        bool const address = type == DNS_A || type == DNS_AAAA;
        expect(address == !record->text);
        if (address) {
            expect(ip46_is6(&record->ip) == (type == DNS_AAAA));
            continue;
        }
        expect(record->text >= answer->bytes.s &&
               record->text + record->length < answer->bytes.s + answer->bytes.len);
        expect(record->text[record->length] == 0);
        if (type != DNS_TXT) {
            expect(strlen(record->text) == record->length && record->length < DNS_NAME_MAX);
            check_name(record->text);
        }
    }
}

static void check_packet(struct dns_query *query, unsigned char const *bytes, size_t length)
{
    struct dns_answer answer = {.bytes = STRALLOC_ZERO};
    struct dns_query const before = *query;
    bool authenticated = false;
    /* A copy of its very size, so that a read beyond the end is seen. */
    unsigned char *packet = malloc(length ? length : 1);
    expect(packet != NULL);
    if (length)
        memcpy(packet, bytes, length);
    enum dns_verdict verdict = dns_packet_parse(query, &answer, &authenticated, packet, length);
    free(packet);
    if (verdict == DNS_VERDICT_RECORDS)
        check_records(&answer, query->type);
    else
        expect(answer.count == 0 && !answer.records && !answer.bytes.s);
    if (verdict == DNS_VERDICT_ALIAS) {
        expect(query->links > before.links && query->links <= DNS_CNAME_MAX);
        check_name(query->name);
    } else {
        expect(memcmp(query, &before, sizeof before) == 0);
    }
    expect(verdict >= DNS_VERDICT_RECORDS || !authenticated);
    dns_answer_free(&answer);
}

/* The input is the type, the second half of the header's flags, the counts of the sections, and
 * what follows the question: so most inputs get as far as the records. */
static void answer_to_question(uint8_t const *bytes, size_t length)
{
    unsigned char packet[DNS_QUERY_MAX + INPUT_MAX];
    struct dns_query query = {.name = NAME,
                              .type = types[bytes[0] % (sizeof types / sizeof *types)],
                              .id = 7,
                              .links = bytes[1] & 7u};
    size_t const head = dns_query_build(packet, &query);
    size_t const rest = length - ANSWERED < INPUT_MAX ? length - ANSWERED : INPUT_MAX;
    packet[2] = 0x80;
    packet[3] = bytes[2];
    packet[7] = bytes[3];
    packet[6] = bytes[4] & 1 ? bytes[4] : 0;
    packet[9] = bytes[5];
    packet[11] = bytes[6];
    memcpy(packet + head, bytes + ANSWERED, rest);
    check_packet(&query, packet, head + rest);
}

/* The input as it is, to a question that is taken from it. */
static void raw(uint8_t const *bytes, size_t length)
{
    struct dns_query query = {.name = ".", .type = DNS_MX, .edns = true};
    if (length > HEADER)
        query.id = (uint16_t)(bytes[0] << 8 | bytes[1]);
    check_packet(&query, bytes, length);
}

static void name_from_text(uint8_t const *bytes, size_t length)
{
    char text[INPUT_MAX + 1], name[DNS_NAME_MAX];
    length = length < INPUT_MAX ? length : INPUT_MAX;
    memcpy(text, bytes, length);
    text[length] = 0;
    if (dns_query_name(name, text))
        check_name(name);
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    if (length == 0)
        return 0;
    if (length > ANSWERED)
        answer_to_question(bytes, length);
    raw(bytes, length);
    name_from_text(bytes, length);
    return 0;
}
