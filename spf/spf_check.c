#include "spf/spf_check.h"

#include <stdio.h>
#include <string.h>

#define SHOWN       4   /* records of an answer in the trail */
#define SHOWN_BYTES 300 /* of a text */

void spf_check_fail(struct spf_check *check, enum spf_failure failure, char const *text,
                    char const *what)
{
    struct spf_answer *answer = check->answer;
    if (check->failure != SPF_FAILURE_NONE)
        return;
    check->failure = failure;
    spf_answer_append(answer->problem, sizeof answer->problem, text, strlen(text));
    if (what) {
        spf_answer_append(answer->problem, sizeof answer->problem, ": ", 2);
        spf_answer_append(answer->problem, sizeof answer->problem, what, strlen(what));
    }
}

bool spf_check_term(struct spf_check *check)
{
    if (++check->terms > SPF_LOOKUP_TERMS)
        spf_check_fail(check, SPF_FAILURE_PERMANENT, "more than 10 terms that ask the DNS", NULL);
    return check->failure == SPF_FAILURE_NONE;
}

bool spf_check_void(struct spf_check *check)
{
    if (++check->voids > SPF_VOIDS)
        spf_check_fail(check, SPF_FAILURE_PERMANENT, "more than 2 look-ups that found nothing",
                       NULL);
    return check->failure == SPF_FAILURE_NONE;
}

/* Appends TEXT to the trail. */
static void note(struct spf_check *check, char const *text, size_t length)
{
    char *const trail = check->answer->trail;
    spf_answer_append(trail, SPF_TRAIL_MAX + 1, text, length);
}

static void note_text(struct spf_check *check, char const *text)
{
    note(check, text, strlen(text));
}

static void note_record(struct spf_check *check, enum dns_type type,
                        struct dns_record const *record)
{
    char address[IP46_FMT];
    if (type == DNS_TXT) {
        note_text(check, " \"");
        for (size_t i = 0; i < record->length && i < SHOWN_BYTES;
             i++) /* a ; ends an entry of the trail */
            note(check, record->text[i] == ';' ? "," : record->text + i, 1);
        note_text(check, record->length > SHOWN_BYTES ? "...\"" : "\"");
        return;
    }
    note_text(check, " ");
    if (record->text)
        note_text(check, *record->text ? record->text : ".");
    else
        note(check, address, ip46_fmt(address, &record->ip));
}

static void note_answer(struct spf_check *check, struct dns_question const *question,
                        struct dns_answer const *answer)
{
    static char const *const texts[] = {[DNS_NO_NAME] = " no such name",
                                        [DNS_NO_DATA] = " nothing",
                                        [DNS_BAD_NAME] = " not a name"};
    char more[32];
    if (*check->answer->trail)
        note_text(check, "; ");
    note_text(check, dns_type_name(question->type));
    note_text(check, " ");
    note_text(check, question->name);
    if (answer->status == DNS_TEMPORARY) {
        note_text(check, " failed: ");
        note_text(check, answer->reason);
        return;
    }
    if (answer->status != DNS_OK) {
        note_text(check, texts[answer->status]);
        return;
    }
    for (size_t i = 0; i < answer->count && i < SHOWN; i++)
        note_record(check, question->type, answer->records + i);
    if (answer->count > SHOWN) {
        snprintf(more, sizeof more, " and %zu more", answer->count - SHOWN);
        note_text(check, more);
    }
}

void spf_check_ask(struct spf_check *check, struct dns_question const *questions,
                   struct dns_answer *answers, size_t count)
{
    spf_lookups_take(&check->lookups, questions, answers, count, &check->deadline);
    for (size_t i = 0; i < count; i++)
        note_answer(check, questions + i, answers + i);
}

void spf_check_ask_ahead(struct spf_check *check, struct dns_question const *question)
{
    if (check->terms + spf_lookups_ahead(&check->lookups) < SPF_LOOKUP_TERMS)
        spf_lookups_ask(&check->lookups, question, &check->deadline);
}

bool spf_check_answered(struct spf_check *check, struct dns_question const *question,
                        struct dns_answer const *answer)
{
    char what[300];
    if (answer->status != DNS_TEMPORARY)
        return true;
    snprintf(what, sizeof what, "%s %.120s: %s", dns_type_name(question->type), question->name,
             answer->reason);
    spf_check_fail(check, SPF_FAILURE_TEMPORARY, "the DNS gives no answer", what);
    return false;
}

bool spf_check_is_void(struct dns_answer const *answer)
{
    return answer->status == DNS_NO_NAME || answer->status == DNS_NO_DATA;
}
