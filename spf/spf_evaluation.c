#include "spf/spf_evaluation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum dns_type spf_evaluation_address_type(struct spf_evaluation const *evaluation)
{
    return ip46_is6(&evaluation->question->ip) ? DNS_AAAA : DNS_A;
}

struct spf_macro_values spf_evaluation_values(struct spf_evaluation *evaluation, size_t number,
                                              bool p)
{
    struct spf_name const *domain = &evaluation->records[number]->domain;
    struct spf_macro_values values = {.question = evaluation->question,
                                      .domain = domain->plain,
                                      .receiver = evaluation->receiver,
                                      .validated = "unknown",
                                      .now = evaluation->now};
    if (p) {
        spf_validated_find(&evaluation->validated, &evaluation->check, &evaluation->question->ip);
        values.validated = spf_validated_choose(&evaluation->validated, domain->dns);
    }
    return values;
}

enum spf_name_result spf_evaluation_name(struct spf_evaluation *evaluation, struct spf_name *name,
                                         size_t number, struct spf_span span)
{
    struct spf_loaded const *loaded = evaluation->records[number];
    char const *const text = loaded->record.text + span.start;
    if (span.length == 0) {
        *name = loaded->domain;
        return SPF_NAME_OK;
    }
    struct spf_macro_values const values =
        spf_evaluation_values(evaluation, number, spf_macro_uses(text, span.length, 'p'));
    return spf_macro_name(name, text, span.length, &values);
}

/* The one TXT record that is an SPF record. Section 4.5. */
static enum spf_load select_record(struct spf_check *check, struct dns_answer const *answer,
                                   struct spf_name const *domain, struct dns_record const **found)
{
    *found = NULL;
    for (size_t i = 0; answer->status == DNS_OK && i < answer->count; i++) {
        struct dns_record const *record = answer->records + i;
        if (!spf_lint_is_record(record->text, record->length))
            continue;
        if (*found) {
            spf_check_fail(check, SPF_FAILURE_PERMANENT, "more than one record", domain->plain);
            return SPF_LOAD_FAILED;
        }
        *found = record;
    }
    return *found ? SPF_LOAD_OK : SPF_LOAD_NONE;
}

/* Reads TEXT of LENGTH bytes, of which it takes a copy. */
static enum spf_load read_record(struct spf_evaluation *evaluation, struct spf_name const *domain,
                                 char const *text, size_t length)
{
    struct spf_loaded *loaded = malloc(sizeof *loaded);
    char *const copy = malloc(length);
    struct spf_span problem;
    char what[SPF_PROBLEM_MAX + 1];
    if (!loaded || !copy || evaluation->count == SPF_RECORDS_MAX) {
        spf_check_fail(&evaluation->check, SPF_FAILURE_TEMPORARY, "out of memory", NULL);
        free(loaded);
        free(copy);
        return SPF_LOAD_FAILED;
    }
    memcpy(copy, text, length);
    loaded->domain = *domain;
    evaluation->records[evaluation->count++] = loaded;
    enum spf_lint_result const result = spf_lint(&loaded->record, copy, length, &problem);
    if (result == SPF_LINT_OK)
        return SPF_LOAD_OK;
    snprintf(what, sizeof what, "%.100s: %.*s", domain->plain, (int)problem.length,
             copy + problem.start);
    spf_check_fail(&evaluation->check, SPF_FAILURE_PERMANENT, spf_lint_text(result), what);
    return SPF_LOAD_FAILED;
}

enum spf_load spf_evaluation_load(struct spf_evaluation *evaluation, struct spf_name const *domain,
                                  size_t *number)
{
    struct dns_question const question = {domain->dns, DNS_TXT};
    struct dns_answer answer;
    struct dns_record const *found;
    enum spf_load result = SPF_LOAD_FAILED;
    spf_check_ask(&evaluation->check, &question, &answer, 1);
    if (spf_check_answered(&evaluation->check, &question, &answer))
        result = select_record(&evaluation->check, &answer, domain, &found);
    *number = evaluation->count;
    if (result == SPF_LOAD_OK)
        result = read_record(evaluation, domain, found->text, found->length);
    dns_answer_free(&answer);
    return result;
}
