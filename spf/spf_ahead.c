#include "spf/spf_ahead.h"

static void ask(struct spf_evaluation *evaluation, size_t number, struct spf_span domain,
                enum dns_type type)
{
    char const *const text = evaluation->records[number]->record.text + domain.start;
    struct spf_name name;
    struct dns_question const question = {name.dns, type};
    /* p asks itself, and waits. */
    if (spf_macro_uses(text, domain.length, 'p') ||
        spf_evaluation_name(evaluation, &name, number, domain) != SPF_NAME_OK)
        return;
    spf_check_ask_ahead(&evaluation->check, &question);
}

static void ask_for_pointers(struct spf_evaluation *evaluation)
{
    char reverse[DNS_REVERSE_MAX];
    struct dns_question const question = {reverse, DNS_PTR};
    if (evaluation->validated.known)
        return;
    dns_reverse_name(reverse, &evaluation->question->ip);
    spf_check_ask_ahead(&evaluation->check, &question);
}

void spf_ahead(struct spf_evaluation *evaluation, size_t number, size_t first)
{
    struct spf_record const *record = &evaluation->records[number]->record;
    for (size_t i = first; i < record->count; i++) {
        struct spf_span const domain = record->terms[i].domain;
        switch (record->terms[i].kind) {
        case SPF_KIND_A:
            ask(evaluation, number, domain, spf_evaluation_address_type(evaluation));
            break;
        case SPF_KIND_MX:
            ask(evaluation, number, domain, DNS_MX);
            break;
        case SPF_KIND_EXISTS:
            ask(evaluation, number, domain, DNS_A);
            break;
        case SPF_KIND_INCLUDE:
            ask(evaluation, number, domain, DNS_TXT);
            break;
        case SPF_KIND_PTR:
            ask_for_pointers(evaluation);
            break;
        default: /* asks nothing */
            break;
        }
    }
    if (!record->ends_in_all && record->redirect.length > 0)
        ask(evaluation, number, record->redirect, DNS_TXT);
}
