#include "spf/spf_rewrite.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_KINDS "amhxpirc"

/* Bytes of a compiled record. libspf2 drops without a word a term that begins behind its 507th;
 * each of ours takes at most 28, with a token of 16. So 24 IPv6 networks fit, and SPF_TERMS_MAX of
 * them are 17 pieces: at 20 its recursion ends. */
#define COMPILED_MAX 480

static unsigned int const compiled_bytes[] = {
    [SPF_KIND_ALL] = 4,  [SPF_KIND_INCLUDE] = 28, [SPF_KIND_A] = 28,
    [SPF_KIND_MX] = 28,  [SPF_KIND_PTR] = 28,     [SPF_KIND_IP4] = 8,
    [SPF_KIND_IP6] = 20, [SPF_KIND_EXISTS] = 28,  [SPF_KIND_REDIRECT] = 28,
};

/* How a term that asks the DNS is written. */
static struct {
    char const *mechanism;
    enum spf_token_kind token;
} const forms[] = {
    [SPF_KIND_INCLUDE] = {"include", SPF_TOKEN_INCLUDE},
    [SPF_KIND_A] = {"a", SPF_TOKEN_ADDRESS},
    [SPF_KIND_MX] = {"mx", SPF_TOKEN_EXCHANGE},
    [SPF_KIND_PTR] = {"exists", SPF_TOKEN_POINTER},
    [SPF_KIND_EXISTS] = {"exists", SPF_TOKEN_EXISTS},
};

void spf_token_write(char text[SPF_TOKEN_MAX], struct spf_token const *token)
{
    /* libspf2 wants a name with a top label of letters, and in lower case. */
    snprintf(text, SPF_TOKEN_MAX, "%c%u.%u.%u.e", token->kind, token->record, token->term,
             token->host);
}

bool spf_token_read(struct spf_token *token, char const *text)
{
    char kind, again[SPF_TOKEN_MAX];
    if (sscanf(text, "%c%3u.%3u.%3u.e", &kind, &token->record, &token->term, &token->host) != 4 ||
        !strchr(TOKEN_KINDS, kind))
        return false;
    token->kind = (enum spf_token_kind)kind;
    spf_token_write(again, token);
    return strcmp(again, text) == 0;
}

struct piece {
    char *text;
    size_t length;
    unsigned int number;
    bool six;
};

static void put(struct piece *piece, char const *first, char const *second)
{
    piece->length += (size_t)snprintf(piece->text + piece->length,
                                      SPF_REWRITTEN_MAX - piece->length, "%s%s", first, second);
}

static void put_token(struct piece *piece, enum spf_token_kind kind, unsigned int term)
{
    char text[SPF_TOKEN_MAX];
    struct spf_token const token = {.kind = kind, .record = piece->number, .term = term};
    spf_token_write(text, &token);
    put(piece, text, "");
}

/* A length of 0 is none that libspf2 takes; full ones are what it assumes. */
static void put_prefix(struct piece *piece, struct spf_term const *term)
{
    unsigned int const prefix = piece->six ? term->prefix6 : term->prefix4;
    bool const dual = term->kind == SPF_KIND_A || term->kind == SPF_KIND_MX;
    char text[8];
    if (prefix == 0 || prefix == (piece->six ? 128 : 32))
        return;
    snprintf(text, sizeof text, "%u", prefix);
    put(piece, piece->six && dual ? "//" : "/", text);
}

static void put_term(struct piece *piece, struct spf_term const *term, unsigned int number)
{
    char const qualifier[2] = {term->qualifier, 0};
    char address[INET6_ADDRSTRLEN];
    bool const network = term->kind == SPF_KIND_IP4 || term->kind == SPF_KIND_IP6;
    put(piece, " ", qualifier);
    if (term->kind == SPF_KIND_ALL ||
        (network && (piece->six ? term->prefix6 : term->prefix4) == 0)) {
        put(piece, "all", "");
        return;
    }
    if (network) {
        inet_ntop(piece->six ? AF_INET6 : AF_INET, term->ip, address, sizeof address);
        put(piece, piece->six ? "ip6:" : "ip4:", address);
    } else {
        put(piece, forms[term->kind].mechanism, ":");
        put_token(piece, forms[term->kind].token, number);
    }
    if (network || term->kind == SPF_KIND_A || term->kind == SPF_KIND_MX)
        put_prefix(piece, term);
}

void spf_rewrite(char text[SPF_REWRITTEN_MAX], struct spf_record const *record, unsigned int number,
                 unsigned int first, bool six)
{
    struct piece piece = {.text = text, .number = number, .six = six};
    unsigned int bytes = 0;
    put(&piece, "v=spf1", "");
    for (unsigned int i = first; i < record->count; i++) {
        struct spf_term const *term = record->terms + i;
        if (term->kind == (six ? SPF_KIND_IP4 : SPF_KIND_IP6))
            continue;
        bytes += compiled_bytes[term->kind];
        if (bytes > COMPILED_MAX) {
            put(&piece, " redirect=", "");
            put_token(&piece, SPF_TOKEN_REST, i);
            return;
        }
        put_term(&piece, term, i);
    }
    if (!record->ends_in_all && record->redirect.length > 0) {
        put(&piece, " redirect=", "");
        put_token(&piece, SPF_TOKEN_REDIRECT, 0);
    }
}
