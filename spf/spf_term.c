#include "spf/spf_term.h"

#include <stdlib.h>
#include <string.h>

#include "spf/spf_ahead.h"

static char const found_address[4] = {127, 0, 0, 2};

static bool has_no_prefix(struct spf_evaluation const *evaluation, struct spf_term const *term)
{
    return (ip46_is6(&evaluation->question->ip) ? term->prefix6 : term->prefix4) == 0;
}

/* Leaves one record in ANSWER, with the address IP. */
static enum spf_term_result answer_one(struct spf_evaluation *evaluation, struct dns_answer *answer,
                                       ip46 const *ip)
{
    dns_answer_free(answer);
    answer->records = calloc(1, sizeof *answer->records);
    if (!answer->records) {
        spf_check_fail(&evaluation->check, SPF_FAILURE_TEMPORARY, "out of memory", NULL);
        return SPF_TERM_FAILED;
    }
    answer->records->ip = *ip;
    answer->count = 1;
    return SPF_TERM_FOUND;
}

/* What ANSWER to a term's own question is worth. A name that DNS cannot hold matches nothing, and
 * costs nothing. */
static enum spf_term_result judge(struct spf_check *check, struct dns_question const *question,
                                  struct dns_answer const *answer)
{
    if (!spf_check_answered(check, question, answer))
        return SPF_TERM_FAILED;
    if (spf_check_is_void(answer) && !spf_check_void(check))
        return SPF_TERM_FAILED;
    return answer->status == DNS_OK ? SPF_TERM_FOUND : SPF_TERM_NOTHING;
}

/* Asks for TYPE of the term's domain. */
static enum spf_term_result ask(struct spf_evaluation *evaluation, struct spf_token const *token,
                                enum dns_type type, struct dns_answer *answer)
{
    struct spf_span const domain =
        evaluation->records[token->record]->record.terms[token->term].domain;
    struct spf_name name;
    struct dns_question const question = {name.dns, type};
    if (spf_evaluation_name(evaluation, &name, token->record, domain) != SPF_NAME_OK)
        return SPF_TERM_NOTHING;
    spf_check_ask(&evaluation->check, &question, answer, 1);
    return judge(&evaluation->check, &question, answer);
}

static enum spf_term_result look_up_address(struct spf_evaluation *evaluation,
                                            struct spf_token const *token,
                                            struct spf_term const *term, struct dns_answer *answer)
{
    enum spf_term_result const result =
        ask(evaluation, token, spf_evaluation_address_type(evaluation), answer);
    return result == SPF_TERM_FOUND && has_no_prefix(evaluation, term)
               ? answer_one(evaluation, answer, &evaluation->question->ip)
               : result;
}

static void forget_hosts(struct spf_evaluation *evaluation)
{
    for (size_t i = 0; i < evaluation->host_count; i++)
        dns_answer_free(evaluation->hosts + i);
    evaluation->host_count = 0;
}

/* The exchangers, and at once all their addresses, for which libspf2 will ask one after the other.
 */
static enum spf_term_result look_up_exchanges(struct spf_evaluation *evaluation,
                                              struct spf_token const *token,
                                              struct dns_answer *answer)
{
    struct dns_question questions[SPF_NAMES];
    enum spf_term_result const result = ask(evaluation, token, DNS_MX, answer);
    forget_hosts(evaluation);
    if (result != SPF_TERM_FOUND)
        return result;
    if (answer->count > SPF_NAMES) {
        spf_check_fail(&evaluation->check, SPF_FAILURE_PERMANENT, "more than 10 MX records", NULL);
        return SPF_TERM_FAILED;
    }
    for (size_t i = 0; i < answer->count; i++) {
        strcpy(evaluation->host_names[i], answer->records[i].text);
        questions[i] = (struct dns_question){evaluation->host_names[i],
                                             spf_evaluation_address_type(evaluation)};
    }
    spf_check_ask(&evaluation->check, questions, evaluation->hosts, answer->count);
    evaluation->host_count = answer->count;
    return SPF_TERM_FOUND;
}

/* One of those exchangers. That it has no address is no void look-up of its term's. */
static enum spf_term_result take_host(struct spf_evaluation *evaluation,
                                      struct spf_token const *token, struct spf_term const *term,
                                      struct dns_answer *answer)
{
    if (token->host >= evaluation->host_count)
        return SPF_TERM_NOTHING;
    struct dns_question const question = {evaluation->host_names[token->host],
                                          spf_evaluation_address_type(evaluation)};
    *answer = evaluation->hosts[token->host];
    evaluation->hosts[token->host] = (struct dns_answer){.status = DNS_BAD_NAME};
    if (!spf_check_answered(&evaluation->check, &question, answer))
        return SPF_TERM_FAILED;
    if (answer->status != DNS_OK)
        return SPF_TERM_NOTHING;
    return has_no_prefix(evaluation, term)
               ? answer_one(evaluation, answer, &evaluation->question->ip)
               : SPF_TERM_FOUND;
}

static enum spf_term_result look_up_existence(struct spf_evaluation *evaluation,
                                              struct spf_token const *token,
                                              struct dns_answer *answer)
{
    ip46 ip;
    enum spf_term_result const result = ask(evaluation, token, DNS_A, answer);
    ip46_from_ip4(&ip, found_address);
    return result == SPF_TERM_FOUND ? answer_one(evaluation, answer, &ip) : result;
}

static enum spf_term_result look_up_pointers(struct spf_evaluation *evaluation,
                                             struct spf_token const *token,
                                             struct spf_term const *term, struct dns_answer *answer)
{
    struct spf_name name;
    ip46 ip;
    ip46_from_ip4(&ip, found_address);
    spf_validated_find(&evaluation->validated, &evaluation->check, &evaluation->question->ip);
    /* A DNS that fails makes a ptr match nothing (section 5.5); but the time limit is the limit of
     * all (section 4.6.4). */
    if (!tain_future(&evaluation->check.deadline)) {
        spf_check_fail(&evaluation->check, SPF_FAILURE_TEMPORARY,
                       "no time is left behind the client's names", NULL);
        return SPF_TERM_FAILED;
    }
    if (evaluation->validated.is_void && !spf_check_void(&evaluation->check))
        return SPF_TERM_FAILED;
    if (spf_evaluation_name(evaluation, &name, token->record, term->domain) != SPF_NAME_OK ||
        !spf_validated_match(&evaluation->validated, name.dns))
        return SPF_TERM_NOTHING;
    return answer_one(evaluation, answer, &ip);
}

/* The record that TOKEN belongs to; NULL, and failed, when there is none such. */
static struct spf_record const *find_record(struct spf_evaluation *evaluation,
                                            struct spf_token const *token)
{
    if (token->record < evaluation->count &&
        (token->kind == SPF_TOKEN_REDIRECT ||
         token->term < evaluation->records[token->record]->record.count))
        return &evaluation->records[token->record]->record;
    spf_check_fail(&evaluation->check, SPF_FAILURE_TEMPORARY, "libspf2 asked for no term", NULL);
    return NULL;
}

enum spf_term_result spf_term_look_up(struct spf_evaluation *evaluation,
                                      struct spf_token const *token, struct dns_answer *answer)
{
    *answer = (struct dns_answer){.bytes = STRALLOC_ZERO};
    struct spf_record const *record = find_record(evaluation, token);
    if (!record || evaluation->check.failure != SPF_FAILURE_NONE ||
        (token->kind != SPF_TOKEN_HOST && !spf_check_term(&evaluation->check)))
        return SPF_TERM_FAILED;
    struct spf_term const *term = record->terms + token->term;
    if (token->kind != SPF_TOKEN_HOST)
        spf_ahead(evaluation, token->record, token->term + 1);
    switch (token->kind) {
    case SPF_TOKEN_ADDRESS:
        return look_up_address(evaluation, token, term, answer);
    case SPF_TOKEN_EXCHANGE:
        return look_up_exchanges(evaluation, token, answer);
    case SPF_TOKEN_HOST:
        return take_host(evaluation, token, term, answer);
    case SPF_TOKEN_EXISTS:
        return look_up_existence(evaluation, token, answer);
    case SPF_TOKEN_POINTER:
        return look_up_pointers(evaluation, token, term, answer);
    default:
        return SPF_TERM_NOTHING;
    }
}

bool spf_term_load(struct spf_evaluation *evaluation, struct spf_token const *token, size_t *number)
{
    struct spf_record const *record = find_record(evaluation, token);
    struct spf_name name;
    if (!record || !spf_check_term(&evaluation->check))
        return false;
    bool const redirects = token->kind == SPF_TOKEN_REDIRECT;
    struct spf_span const domain = redirects ? record->redirect : record->terms[token->term].domain;
    /* Sections 5.2 and 6.1: a domain without a record is an error here, and so is what is none. */
    if (spf_evaluation_name(evaluation, &name, token->record, domain) != SPF_NAME_OK) {
        spf_check_fail(&evaluation->check, SPF_FAILURE_PERMANENT,
                       redirects ? "redirect to what is no domain" : "include of what is no domain",
                       NULL);
        return false;
    }
    if (!redirects)
        spf_ahead(evaluation, token->record, token->term + 1);
    enum spf_load const result = spf_evaluation_load(evaluation, &name, number);
    if (result == SPF_LOAD_NONE)
        spf_check_fail(&evaluation->check, SPF_FAILURE_PERMANENT,
                       redirects ? "redirect to a domain without a record"
                                 : "include of a domain without a record",
                       name.plain);
    if (result == SPF_LOAD_OK && redirects && token->record == evaluation->explaining)
        evaluation->explaining = *number;
    return result == SPF_LOAD_OK;
}
