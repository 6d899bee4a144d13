#include "spf/spf_evaluate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <spf2/spf.h>

#include "lib/log.h"
#include "spf/spf_explain.h"
#include "spf/spf_term.h"

static SPF_server_t *server;

/* Writes one record of an answer as libspf2 wants it. */
static bool put_record(SPF_dns_rr_t *out, int number, struct spf_token const *token,
                       struct dns_record const *record)
{
    if (SPF_dns_rr_buf_realloc(out, number, SPF_TOKEN_MAX) != SPF_E_SUCCESS)
        return false;
    if (token->kind == SPF_TOKEN_EXCHANGE) {
        struct spf_token const host = {.kind = SPF_TOKEN_HOST,
                                       .record = token->record,
                                       .term = token->term,
                                       .host = (unsigned int)number};
        spf_token_write(out->rr[number]->mx, &host);
    } else {
        memcpy(&out->rr[number]->aaaa, record->ip.ip, ip46_is6(&record->ip) ? 16 : 4);
    }
    out->num_rr = number + 1;
    return true;
}

/* SPF_dns_lookup_t. */
static SPF_dns_rr_t *look_up(SPF_dns_server_t *layer, char const *domain, ns_type type, int cache)
{
    struct spf_evaluation *evaluation = layer->hook;
    struct dns_answer answer = {.bytes = STRALLOC_ZERO};
    struct spf_token token;
    enum spf_term_result result = SPF_TERM_FAILED;
    (void)cache;
    if (spf_token_read(&token, domain))
        result = spf_term_look_up(evaluation, &token, &answer);
    SPF_dns_rr_t *out = SPF_dns_rr_new_init(layer, domain, type, 0,
                                            result == SPF_TERM_FAILED    ? TRY_AGAIN
                                            : result == SPF_TERM_NOTHING ? NO_DATA
                                                                         : NETDB_SUCCESS);
    if (out && result == SPF_TERM_FOUND)
        for (size_t i = 0; i < answer.count; i++)
            if (!put_record(out, (int)i, &token, answer.records + i))
                return NULL; /* libspf2 ends the process then */
    dns_answer_free(&answer);
    return out;
}

/* The record NUMBER from term FIRST on, compiled. */
static SPF_errcode_t compile(struct spf_evaluation *evaluation, SPF_response_t *response,
                             SPF_record_t **compiled, size_t number, unsigned int first)
{
    char text[SPF_REWRITTEN_MAX];
    spf_rewrite(text, &evaluation->records[number]->record, (unsigned int)number, first,
                ip46_is6(&evaluation->question->ip));
    SPF_errcode_t const code = SPF_record_compile(server, response, compiled, text);
    if (code != SPF_E_SUCCESS)
        spf_check_fail(&evaluation->check,
                       code == SPF_E_NO_MEMORY ? SPF_FAILURE_TEMPORARY : SPF_FAILURE_PERMANENT,
                       "libspf2 does not compile the record", SPF_strerror(code));
    return code;
}

/* SPF_dns_get_spf_t: the record of an include, a redirect, or the rest of a long one. */
static SPF_errcode_t get_record(SPF_server_t *of, SPF_request_t *request, SPF_response_t *response,
                                SPF_record_t **compiled)
{
    struct spf_evaluation *evaluation = of->resolver->hook;
    struct spf_token token;
    size_t number;
    *compiled = NULL;
    if (!spf_token_read(&token, request->cur_dom))
        return SPF_E_DNS_ERROR;
    if (token.kind == SPF_TOKEN_REST)
        return token.record < evaluation->count
                   ? compile(evaluation, response, compiled, token.record, token.term)
                   : SPF_E_DNS_ERROR;
    return spf_term_load(evaluation, &token, &number)
               ? compile(evaluation, response, compiled, number, 0)
               : SPF_E_DNS_ERROR;
}

/* libspf2 gives up: it has run out of memory, or finds itself in disorder. */
static __attribute__((noreturn)) void give_up(char const *file, int line, char const *text)
{
    struct log_line out;
    (void)file;
    (void)line;
    log_begin(&out, "libspf2-failed");
    log_text(&out, "reason", text);
    log_write(&out);
    _exit(111);
}

static SPF_dns_server_t layer = {.lookup = look_up, .get_spf = get_record, .name = "ekiden"};

bool spf_evaluate_prepare(void)
{
    SPF_response_t *response = NULL;
    SPF_error_handler = give_up;
    /* Its default for these writes to standard output, which is the answer's. */
    SPF_warning_handler = SPF_info_handler = SPF_debug_handler = NULL;
    server = SPF_server_new_dns(&layer, 0);
    /* Limits and explanation are ours. */
    return server && SPF_server_set_explanation(server, "-", &response) == SPF_E_SUCCESS &&
           SPF_server_set_max_dns_mech(server, 1000) == SPF_E_SUCCESS;
}

/* None of the words that libspf2 gets for sender and HELO are ever looked at. */
static SPF_request_t *make_request(ip46 const *ip)
{
    SPF_request_t *request = SPF_request_new(server);
    struct in_addr four;
    struct in6_addr six;
    if (!request || SPF_request_set_env_from(request, "a@b.e") != SPF_E_SUCCESS ||
        SPF_request_set_helo_dom(request, "b.e") != SPF_E_SUCCESS)
        return NULL;
    if (ip46_is6(ip)) {
        memcpy(&six, ip->ip, sizeof six);
        SPF_request_set_ipv6(request, six);
    } else {
        memcpy(&four, ip->ip, sizeof four);
        SPF_request_set_ipv4(request, four);
    }
    request->cur_dom = "b.e";
    return request;
}

static enum spf_result map(SPF_result_t result)
{
    switch (result) {
    case SPF_RESULT_NEUTRAL:
        return SPF_NEUTRAL;
    case SPF_RESULT_PASS:
        return SPF_PASS;
    case SPF_RESULT_FAIL:
        return SPF_FAIL;
    case SPF_RESULT_SOFTFAIL:
        return SPF_SOFTFAIL;
    case SPF_RESULT_TEMPERROR:
        return SPF_TEMPERROR;
    default:
        return SPF_PERMERROR;
    }
}

/* By SPF_record_interpret and not by SPF_request_query_mailfrom, which lets each client with a
 * loopback address pass. */
static enum spf_result interpret(struct spf_evaluation *evaluation, size_t number)
{
    SPF_request_t *request = make_request(&evaluation->question->ip);
    SPF_response_t *response = request ? SPF_response_new(request) : NULL;
    SPF_record_t *record = NULL;
    if (!response) {
        spf_check_fail(&evaluation->check, SPF_FAILURE_TEMPORARY, "out of memory", NULL);
        return SPF_TEMPERROR;
    }
    if (compile(evaluation, response, &record, number, 0) != SPF_E_SUCCESS)
        return SPF_PERMERROR;
    response->spf_record_exp = record;
    SPF_errcode_t const code = SPF_record_interpret(record, request, response, 0);
    enum spf_result const result = map(SPF_response_result(response));
    if (result == SPF_PERMERROR || result == SPF_TEMPERROR)
        spf_check_fail(&evaluation->check,
                       result == SPF_PERMERROR ? SPF_FAILURE_PERMANENT : SPF_FAILURE_TEMPORARY,
                       "libspf2", SPF_strerror(code));
    return result;
}

void spf_evaluate(struct spf_evaluation *evaluation)
{
    struct spf_answer *answer = evaluation->check.answer;
    size_t number;
    layer.hook = evaluation;
    answer->result = SPF_NONE;
    if (spf_evaluation_load(evaluation, &evaluation->question->domain, &number) == SPF_LOAD_OK)
        answer->result = interpret(evaluation, number);
    if (evaluation->check.failure == SPF_FAILURE_TEMPORARY)
        answer->result = SPF_TEMPERROR;
    else if (evaluation->check.failure == SPF_FAILURE_PERMANENT)
        answer->result = SPF_PERMERROR;
    else if (answer->result == SPF_FAIL)
        spf_explain(evaluation);
}
