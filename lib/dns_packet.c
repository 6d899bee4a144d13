#include "lib/dns_packet.h"

#include <arpa/nameser.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADER 12

/* Of the second 16 bits of the header. */
#define FLAG_QR     0x8000u
#define FLAG_OPCODE 0x7800u
#define FLAG_TC     0x0200u
#define FLAG_AD     0x0020u
#define FLAG_CODE   0x000fu

enum { CODE_NONE = 0, CODE_FORMERR = 1, CODE_NXDOMAIN = 3, CODE_NOTIMP = 4 };

/* What a pass over the answer section found for one name. */
struct found {
    size_t records; /* of the type asked for */
    size_t others;  /* of other types */
    bool alias;     /* a CNAME, to: */
    char target[DNS_NAME_MAX];
};

static unsigned int get16(unsigned char const *bytes)
{
    return (unsigned int)bytes[0] << 8 | bytes[1];
}

/* Names as dn_expand makes them, which writes "" for the root. */
static bool same_name(char const *left, char const *right)
{
    return strcasecmp(*left ? left : ".", *right ? right : ".") == 0;
}

/* Judges header and question. True: read on; else *verdict. */
static bool check_head(struct dns_query const *query, unsigned char const *bytes, size_t length,
                       enum dns_verdict *verdict)
{
    char name[DNS_NAME_MAX];
    *verdict = DNS_VERDICT_STRANGER;
    if (length < HEADER)
        return false;
    unsigned int const flags = get16(bytes + 2), questions = get16(bytes + 4);
    unsigned int const code = flags & FLAG_CODE;
    bool const answers = code == CODE_NONE || code == CODE_NXDOMAIN;
    if (get16(bytes) != query->id || !(flags & FLAG_QR) || (flags & FLAG_OPCODE))
        return false;
    /* A server that could not read the question cannot repeat it: so much is believed without. */
    if (answers || questions != 0) {
        if (questions != 1)
            return false;
        int const end = dn_expand(bytes, bytes + length, bytes + HEADER, name, sizeof name);
        if (end < 0 || length - HEADER - (size_t)end < 4 || !same_name(name, query->name) ||
            get16(bytes + HEADER + end) != query->type ||
            get16(bytes + HEADER + end + 2) != ns_c_in)
            return false;
    }
    if ((code == CODE_FORMERR || code == CODE_NOTIMP) && query->edns)
        *verdict = DNS_VERDICT_NO_EDNS;
    else if (!answers)
        *verdict = DNS_VERDICT_FAILED;
    else if (flags & FLAG_TC)
        *verdict = DNS_VERDICT_TRUNCATED;
    else
        return true;
    return false;
}

/* Judges the records beside the answer. True: read on; else *verdict. */
static bool check_rest(ns_msg *message, struct dns_query const *query, enum dns_verdict *verdict)
{
    bool delegation = false, authority = false;
    ns_rr record;
    *verdict = DNS_VERDICT_MALFORMED;
    for (int i = 0; i < ns_msg_count(*message, ns_s_ar) && i < DNS_RECORDS_MAX; i++) {
        if (ns_parserr(message, ns_s_ar, i, &record) < 0)
            return false;
        /* BADVERS and other codes of more than 4 bits: the upper bits are in OPT's TTL. */
        if (ns_rr_type(record) == ns_t_opt && ns_rr_ttl(record) >> 24 != 0) {
            *verdict = query->edns ? DNS_VERDICT_NO_EDNS : DNS_VERDICT_FAILED;
            return false;
        }
    }
    for (int i = 0; i < ns_msg_count(*message, ns_s_ns) && i < DNS_RECORDS_MAX; i++) {
        if (ns_parserr(message, ns_s_ns, i, &record) < 0)
            return false;
        delegation |= ns_rr_type(record) == ns_t_ns;
        authority |= ns_rr_type(record) == ns_t_soa;
    }
    /* RFC 2308 section 2.2: without an answer, NS without SOA is a referral and not NODATA. Our
     * servers are to find the answer themselves. */
    *verdict = DNS_VERDICT_FAILED;
    return ns_msg_count(*message, ns_s_an) > 0 || authority || !delegation;
}

/* Expands the name that fills the record's data from OFFSET on, to the byte. */
static bool expand_data(ns_msg const *message, ns_rr const *record, size_t offset, char *out)
{
    unsigned char const *data = ns_rr_rdata(*record);
    if (ns_rr_rdlen(*record) <= offset)
        return false;
    int const length =
        dn_expand(ns_msg_base(*message), ns_msg_end(*message), data + offset, out, DNS_NAME_MAX);
    if (length < 0 || (size_t)length != ns_rr_rdlen(*record) - offset)
        return false;
    dns_query_lower(out);
    return true;
}

/* Appends the strings of a TXT record. */
static enum dns_verdict join_strings(stralloc *bytes, ns_rr const *record)
{
    unsigned char const *data = ns_rr_rdata(*record), *end = data + ns_rr_rdlen(*record);
    if (data == end)
        return DNS_VERDICT_MALFORMED;
    while (data < end) {
        size_t const length = *data++;
        if (length > (size_t)(end - data))
            return DNS_VERDICT_MALFORMED;
        if (!stralloc_catb(bytes, (char const *)data, length))
            return DNS_VERDICT_NO_MEMORY;
        data += length;
    }
    return DNS_VERDICT_RECORDS;
}

/* Appends the record's text to the answer's bytes, and a NUL. */
static enum dns_verdict take_text(ns_msg const *message, ns_rr const *record,
                                  struct dns_answer *answer, struct dns_record *out)
{
    size_t const start = answer->bytes.len;
    char name[DNS_NAME_MAX];
    enum dns_verdict verdict = DNS_VERDICT_RECORDS;
    if (ns_rr_type(*record) == ns_t_txt)
        verdict = join_strings(&answer->bytes, record);
    else if (!expand_data(message, record, ns_rr_type(*record) == ns_t_mx ? 2 : 0, name))
        verdict = DNS_VERDICT_MALFORMED;
    else if (!stralloc_cats(&answer->bytes, name))
        verdict = DNS_VERDICT_NO_MEMORY;
    out->length = answer->bytes.len - start;
    if (verdict == DNS_VERDICT_RECORDS && !stralloc_0(&answer->bytes))
        verdict = DNS_VERDICT_NO_MEMORY;
    return verdict;
}

/* Adds one record of the type that was asked for. */
static enum dns_verdict take_record(ns_msg const *message, ns_rr const *record,
                                    struct dns_answer *answer)
{
    struct dns_record *out = answer->records + answer->count;
    char const *data = (char const *)ns_rr_rdata(*record);
    enum dns_verdict verdict = DNS_VERDICT_RECORDS;
    *out = (struct dns_record){.ip = IP46_ZERO};
    switch (ns_rr_type(*record)) {
    case ns_t_a:
        if (ns_rr_rdlen(*record) != 4)
            return DNS_VERDICT_MALFORMED;
        ip46_from_ip4(&out->ip, data);
        break;
    case ns_t_aaaa:
        if (ns_rr_rdlen(*record) != 16)
            return DNS_VERDICT_MALFORMED;
        ip46_from_ip6(&out->ip, data);
        break;
    case ns_t_mx:
        if (ns_rr_rdlen(*record) < 3)
            return DNS_VERDICT_MALFORMED;
        out->preference = (uint16_t)get16(ns_rr_rdata(*record));
        verdict = take_text(message, record, answer, out);
        break;
    default:
        verdict = take_text(message, record, answer, out);
    }
    if (verdict == DNS_VERDICT_RECORDS)
        answer->count++;
    return verdict;
}

/* One pass over the answer section for NAME. The order of records is nobody's promise, so a chain
 * of CNAMEs takes a pass a link. */
static enum dns_verdict collect(ns_msg *message, struct dns_query const *query, char const *name,
                                struct dns_answer *answer, struct found *found)
{
    *found = (struct found){.alias = false};
    for (int i = 0; i < ns_msg_count(*message, ns_s_an) && i < DNS_RECORDS_MAX; i++) {
        ns_rr record;
        if (ns_parserr(message, ns_s_an, i, &record) < 0)
            return DNS_VERDICT_MALFORMED;
        if (ns_rr_class(record) != ns_c_in || !same_name(ns_rr_name(record), name))
            continue;
        if ((unsigned int)ns_rr_type(record) == query->type) {
            if (answer->bytes.len >= DNS_BYTES_MAX - DNS_PACKET_MAX)
                break;
            enum dns_verdict const verdict = take_record(message, &record, answer);
            if (verdict != DNS_VERDICT_RECORDS)
                return verdict;
            found->records++;
        } else if (ns_rr_type(record) == ns_t_cname) {
            if (!expand_data(message, &record, 0, found->target))
                return DNS_VERDICT_MALFORMED;
            found->alias = true;
        } else {
            found->others++;
        }
    }
    return DNS_VERDICT_RECORDS;
}

/* Names are bounded where they are taken from a packet; nothing depends on that here. */
static void copy_name(char name[DNS_NAME_MAX], char const *from)
{
    size_t const length = strnlen(from, DNS_NAME_MAX - 1);
    memcpy(name, from, length);
    name[length] = 0;
}

/* Goes from the name asked for along the CNAMEs in the answer. */
static enum dns_verdict follow(ns_msg *message, struct dns_query *query, struct dns_answer *answer)
{
    char name[DNS_NAME_MAX];
    unsigned int links = query->links;
    bool const missing = ns_msg_getflag(*message, ns_f_rcode) == CODE_NXDOMAIN;
    struct found found;
    copy_name(name, query->name);
    for (;;) {
        enum dns_verdict const verdict = collect(message, query, name, answer, &found);
        if (verdict != DNS_VERDICT_RECORDS)
            return verdict;
        if (found.records > 0) /* with NXDOMAIN it contradicts itself */
            return missing ? DNS_VERDICT_MALFORMED : DNS_VERDICT_RECORDS;
        if (!found.alias)
            break;
        if (++links > DNS_CNAME_MAX)
            return DNS_VERDICT_CHAIN;
        copy_name(name, *found.target ? found.target : ".");
    }
    if (missing) /* RFC 6604 section 2: it speaks of the end of the chain */
        return found.others > 0 ? DNS_VERDICT_MALFORMED : DNS_VERDICT_NO_NAME;
    if (links > query->links) {
        copy_name(query->name, name);
        query->links = links;
        return DNS_VERDICT_ALIAS;
    }
    /* Records, but of other names only, answer another question. */
    if (ns_msg_count(*message, ns_s_an) > 0 && found.others == 0)
        return DNS_VERDICT_MALFORMED;
    return DNS_VERDICT_NO_DATA;
}

/* The texts were appended one after the other, each with a NUL, to bytes that may have moved. */
static void point_texts(struct dns_answer *answer, enum dns_type type)
{
    char const *text = answer->bytes.s;
    if (type == DNS_A || type == DNS_AAAA)
        return;
    for (size_t i = 0; i < answer->count; i++) {
        answer->records[i].text = text;
        text += answer->records[i].length + 1;
    }
}

enum dns_verdict dns_packet_parse(struct dns_query *query, struct dns_answer *answer,
                                  bool *authenticated, unsigned char const *bytes, size_t length)
{
    ns_msg message;
    enum dns_verdict verdict;
    if (!check_head(query, bytes, length, &verdict))
        return verdict;
    if (length > DNS_PACKET_MAX || ns_initparse(bytes, (int)length, &message) < 0)
        return DNS_VERDICT_MALFORMED;
    if (!check_rest(&message, query, &verdict))
        return verdict;
    size_t room = ns_msg_count(message, ns_s_an);
    if (room > DNS_RECORDS_MAX)
        room = DNS_RECORDS_MAX;
    answer->records = calloc(room > 0 ? room : 1, sizeof *answer->records);
    if (!answer->records)
        return DNS_VERDICT_NO_MEMORY;
    verdict = follow(&message, query, answer);
    if (verdict >= DNS_VERDICT_RECORDS)
        *authenticated = get16(bytes + 2) & FLAG_AD;
    if (verdict == DNS_VERDICT_RECORDS)
        point_texts(answer, query->type);
    else
        dns_answer_free(answer);
    return verdict;
}

void dns_answer_free(struct dns_answer *answer)
{
    free(answer->records);
    stralloc_free(&answer->bytes);
    answer->records = NULL;
    answer->count = 0;
}
