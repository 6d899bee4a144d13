/* Macros, with values that are strangers' too: what is expanded fits, a name can be asked for, and
 * an explanation is printable. The input is HELO, sender and text, each ended by NUL but the last.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dns_query.h"
#include "spf/spf_macro.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void expect(bool what)
{
    if (!what)
        abort();
}

static void expand(char const *text, size_t length, struct spf_macro_values const *values)
{
    struct spf_name name;
    char again[DNS_NAME_MAX], out[100];
    if (spf_macro_is(text, length, SPF_FORM_DOMAIN) &&
        spf_macro_name(&name, text, length, values) == SPF_NAME_OK) {
        expect(strlen(name.plain) <= SPF_NAME_MAX && strchr(name.plain, '.'));
        expect(dns_query_name(again, name.dns) && strcmp(again, name.dns) == 0);
    }
    if (!spf_macro_is(text, length, SPF_FORM_EXPLAIN))
        return;
    bool const printable = spf_macro_explain(out, sizeof out, text, length, values);
    expect(strlen(out) < sizeof out);
    for (char const *byte = out; printable && *byte; byte++)
        expect(*byte >= ' ' && *byte <= '~');
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    static struct spf_question question;
    char const *const helo = (char const *)bytes;
    char const *const end = length ? memchr(helo, 0, length) : NULL;
    char const *const sender = end ? end + 1 : NULL;
    char const *const second =
        end && sender < helo + length ? memchr(sender, 0, length - (size_t)(sender - helo)) : NULL;
    if (!second)
        return 0;
    size_t const rest = length - (size_t)(second + 1 - helo);
    char *text = malloc(rest ? rest : 1);
    expect(text != NULL);
    memcpy(text, second + 1, rest);
    for (size_t i = 0; i < 2; i++) {
        enum spf_question_result const result =
            spf_question_make(&question, i ? "2001:db8::25" : "192.0.2.1", helo, sender);
        struct spf_macro_values const values = {.question = &question,
                                                .domain = question.domain.plain,
                                                .receiver = "mx.example",
                                                .validated = "unknown",
                                                .now = 1};
        if (result == SPF_QUESTION_OK)
            expand(text, rest, &values);
    }
    free(text);
    return 0;
}
