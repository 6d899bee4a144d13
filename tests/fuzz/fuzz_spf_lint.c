/* Records that a domain publishes: what the lint takes has its spans and numbers in bounds, and
 * what libspf2 is given of it holds tokens, numbers and addresses alone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spf/spf_lint.h"
#include "spf/spf_macro.h"
#include "spf/spf_rewrite.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void expect(bool what)
{
    if (!what)
        abort();
}

static void check_span(struct spf_record const *record, struct spf_span span, size_t length)
{
    expect((size_t)span.start + span.length <= length);
    expect(span.length == 0 ||
           spf_macro_is(record->text + span.start, span.length, SPF_FORM_DOMAIN));
}

static void check_rewritten(struct spf_record const *record, bool six)
{
    char text[SPF_REWRITTEN_MAX];
    unsigned int pieces = 0;
    struct spf_token token = {.term = 0};
    char const *rest;
    do {
        spf_rewrite(text, record, 7, token.term, six);
        expect(strlen(text) < SPF_REWRITTEN_MAX - 64);
        expect(strspn(text, "vspf=1includeraxmtl4: 0123456789.+-?~/hc") == strlen(text) || six);
        rest = strstr(text, " redirect=c");
        unsigned int const before = token.term;
        expect(!rest || (spf_token_read(&token, rest + 10) && token.kind == SPF_TOKEN_REST &&
                         token.record == 7 && token.term > before));
        expect(++pieces < 64);
    } while (rest);
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    struct spf_record *record = malloc(sizeof *record);
    char *text = malloc(length + 7);
    struct spf_span problem;
    expect(record && text);
    /* Behind the version, so that each input gets that far; the copy ends where it ends. */
    memcpy(text, "v=spf1 ", 7);
    if (length)
        memcpy(text + 7, bytes, length);
    length += 7;
    expect(spf_lint_is_record(text, length));
    enum spf_lint_result const result = spf_lint(record, text, length, &problem);
    expect(*spf_lint_text(result) != 0 && (size_t)problem.start + problem.length <= length);
    if (result == SPF_LINT_OK) {
        expect(record->count <= SPF_TERMS_MAX);
        check_span(record, record->redirect, length);
        check_span(record, record->explanation, length);
        for (size_t i = 0; i < record->count; i++) {
            struct spf_term const *term = record->terms + i;
            check_span(record, term->domain, length);
            expect(term->prefix4 <= 32 && term->prefix6 <= 128 && term->kind < SPF_KIND_REDIRECT);
            expect(term->qualifier && strchr("+-?~", term->qualifier));
        }
        check_rewritten(record, false);
        check_rewritten(record, true);
    }
    free(text);
    free(record);
    return 0;
}
