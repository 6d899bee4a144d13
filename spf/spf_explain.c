#include "spf/spf_explain.h"

void spf_explain(struct spf_evaluation *evaluation)
{
    struct spf_record const *record = &evaluation->records[evaluation->explaining]->record;
    struct spf_answer *result = evaluation->check.answer;
    struct spf_name name;
    struct dns_question const question = {name.dns, DNS_TXT};
    struct dns_answer answer;
    if (record->explanation.length == 0 ||
        spf_evaluation_name(evaluation, &name, evaluation->explaining, record->explanation) !=
            SPF_NAME_OK)
        return;
    spf_check_ask(&evaluation->check, &question, &answer, 1);
    /* Of several nobody knows which. */
    struct dns_record const *text = answer.records;
    if (answer.status == DNS_OK && answer.count == 1 &&
        spf_macro_is(text->text, text->length, SPF_FORM_EXPLAIN)) {
        struct spf_macro_values const values = spf_evaluation_values(
            evaluation, evaluation->explaining, spf_macro_uses(text->text, text->length, 'p'));
        if (!spf_macro_explain(result->explanation, sizeof result->explanation, text->text,
                               text->length, &values))
            *result->explanation = 0;
    }
    dns_answer_free(&answer);
}
