#include "tools/explain_print.h"

#include <string.h>

#include "tools/print.h"

#define RULE_COLUMN    2
#define VERDICT_COLUMN 28
#define PLACE_COLUMN   37
#define TEXT_COLUMN    56

static char const *verdict_word(enum finding_verdict verdict)
{
    switch (verdict) {
    case FINDING_ALLOW:
        return "allows";
    case FINDING_NOTE:
        return "notes";
    case FINDING_DEFER:
        return "defers";
    case FINDING_REFUSE:
        return "refuses";
    case FINDING_UNKNOWN:
        return "unknown";
    case FINDING_NOTHING:
    default:
        return "passes";
    }
}

static char const *result_word(struct explain_answer const *answer)
{
    switch (explain_class(answer)) {
    case 2:
    case 3:
        return "accepted";
    case 4:
        return "deferred";
    case 5:
        return "refused";
    default:
        return "disconnected";
    }
}

static char const *const stage_words[EXPLAIN_STAGES] = {
    [EXPLAIN_CONNECT] = "connect", [EXPLAIN_HELLO] = "helo",     [EXPLAIN_LOGIN] = "auth",
    [EXPLAIN_SENDER] = "mail",     [EXPLAIN_RECIPIENT] = "rcpt", [EXPLAIN_MESSAGE] = "data"};

/* --- for people --- */

/* A word, after as many blanks as bring it to COLUMN. Returns the column behind it. */
static size_t print_at(size_t column, size_t at, char const *text)
{
    size_t const length = strlen(text);
    if (!length)
        return at;
    do
        print(" ");
    while (++at < column);
    print_text(text, length);
    return at + length;
}

/* What was asked and what came, one a line. */
static void print_trail(char const *trail)
{
    while (*trail) {
        size_t const length = strcspn(trail, ";");
        print("      ");
        print_text(trail, length);
        print("\n");
        trail += length;
        trail += strspn(trail, "; ");
    }
}

/* With IS_SAID its text stands below, in the reply. */
static void print_rule(struct finding const *finding, bool is_said)
{
    size_t at = print_at(RULE_COLUMN, 0, finding->rule);
    at = print_at(VERDICT_COLUMN, at, verdict_word(finding->verdict));
    at = print_at(PLACE_COLUMN, at, finding->place);
    if (!is_said)
        print_at(TEXT_COLUMN, at, finding->text);
    print("\n");
    print_trail(finding->trail);
}

static void print_step(struct explain_answer const *answer, enum explain_stage stage)
{
    struct explain_step const *const step = answer->steps + stage;
    if (stage == EXPLAIN_CONNECT)
        print("connects");
    else
        print_text(step->command.s, step->command.len);
    print("\n");
    for (size_t i = 0; i < answer->count; i++)
        if (answer->rules[i].stage == stage)
            print_rule(&answer->rules[i].finding,
                       &answer->rules[i].finding == explain_deciding(answer));
    print("  -> ");
    if (step->reply.len)
        print_text(step->reply.s, step->reply.len);
    else
        print("the connection is closed");
    print("\n");
}

void explain_print_text(struct explain_question const *question,
                        struct explain_answer const *answer, char const *route)
{
    struct finding const *const deciding = explain_deciding(answer);
    print("client ");
    print_text(question->ip_text, strlen(question->ip_text));
    print(", role ");
    print(role_name(question->role));
    print(question->tls ? ", with TLS\n\n" : ", without TLS\n\n");
    for (enum explain_stage stage = 0; stage < EXPLAIN_STAGES; stage++)
        if (answer->steps[stage].taken)
            print_step(answer, stage);
    print("\n");
    print(result_word(answer));
    if (answer->rule[0]) {
        print(" by ");
        print_text(answer->rule, strlen(answer->rule));
    }
    if (deciding && deciding->place[0]) {
        print(" (");
        print_text(deciding->place, strlen(deciding->place));
        print(")");
    }
    print(": ");
    print_text(answer->steps[answer->last].reply.s, answer->steps[answer->last].reply.len);
    if (route[0]) {
        print("\ngoes to: ");
        print_text(route, strlen(route));
    }
    print("\n");
}

/* --- JSON --- */

static void print_bytes_member(char const *name, char const *text, size_t length)
{
    print("\"");
    print(name);
    print("\":");
    print_string(text, length);
}

static void print_member(char const *name, char const *text)
{
    print_bytes_member(name, text, strlen(text));
}

static void print_rule_object(struct explain_rule const *rule)
{
    struct finding const *const finding = &rule->finding;
    print("{");
    print_member("stage", stage_words[rule->stage]);
    print(",");
    print_member("rule", finding->rule);
    print(",");
    print_member("verdict", verdict_word(finding->verdict));
    print(",");
    print_member("place", finding->place);
    print(",\"reply\":");
    print_number(finding->number);
    print(",");
    print_member("status", finding->status);
    print(",");
    print_member("text", finding->text);
    print(",");
    print_member("trail", finding->trail);
    print("}");
}

static void print_steps(struct explain_answer const *answer)
{
    for (enum explain_stage stage = 0, before = 0; stage < EXPLAIN_STAGES; stage++) {
        struct explain_step const *const step = answer->steps + stage;
        if (!step->taken)
            continue;
        print(before++ ? ",{" : "{");
        print_member("stage", stage_words[stage]);
        print(",");
        print_bytes_member("command", step->command.s, step->command.len);
        print(",");
        print_bytes_member("reply", step->reply.s, step->reply.len);
        print("}");
    }
}

void explain_print_json(struct explain_question const *question,
                        struct explain_answer const *answer, char const *route)
{
    struct finding const *const deciding = explain_deciding(answer);
    struct explain_step const *const last = answer->steps + answer->last;
    print("{");
    print_member("client", question->ip_text);
    print(",");
    print_member("role", role_name(question->role));
    print(question->tls ? ",\"tls\":true,\"rules\":[" : ",\"tls\":false,\"rules\":[");
    for (size_t i = 0; i < answer->count; i++) {
        print(i ? "," : "");
        print_rule_object(answer->rules + i);
    }
    print("],\"steps\":[");
    print_steps(answer);
    print("],");
    print_member("verdict", result_word(answer));
    print(",");
    print_member("rule", answer->rule);
    print(",");
    print_member("place", deciding ? deciding->place : "");
    print(",");
    print_bytes_member("reply", last->reply.s, last->reply.len);
    print(",");
    print_bytes_member("recipient", answer->recipient.s, answer->recipient.len);
    print(",");
    print_member("route", route);
    print("}\n");
}
