#include "spf/spf_question.h"

#include <stdio.h>
#include <string.h>

#include "lib/domain_ascii.h"
#include "lib/ip.h"

#define FIELDS 3

static bool is_ascii(char const *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 0x7e)
            return false;
    return true;
}

static enum spf_question_result take_domain(struct spf_name *domain, char const *text)
{
    char converted[256];
    /* ASCII as it is: strange names exist in the DNS, and libidn2 would refuse them. */
    if (!is_ascii(text)) {
        if (domain_ascii(converted, sizeof converted, text) != DOMAIN_ASCII_OK)
            return SPF_QUESTION_NO_NAME;
        text = converted;
    }
    return spf_name_make(domain, text, strlen(text)) == SPF_NAME_OK ? SPF_QUESTION_OK
                                                                    : SPF_QUESTION_NO_NAME;
}

enum spf_question_result spf_question_make(struct spf_question *question, char const *address,
                                           char const *helo, char const *sender)
{
    *question = (struct spf_question){.local = "postmaster"};
    if (!ip_scan(&question->ip, address) || strlen(helo) > SPF_FIELD_MAX ||
        strlen(sender) > SPF_FIELD_MAX)
        return SPF_QUESTION_MALFORMED;
    strcpy(question->helo, helo);
    /* The last @ divides: a domain has none, a quoted local part may. */
    char const *const at = strrchr(sender, '@');
    char const *domain = at ? at + 1 : *sender ? sender : helo;
    if (at && at > sender) {
        memcpy(question->local, sender, (size_t)(at - sender));
        question->local[at - sender] = 0;
        strcpy(question->sender, sender);
    } else {
        snprintf(question->sender, sizeof question->sender, "postmaster@%s", domain);
    }
    return take_domain(&question->domain, domain);
}

enum spf_question_result spf_question_parse(struct spf_question *question, char const *bytes,
                                            size_t length)
{
    char const *fields[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        char const *const end = length > 0 ? memchr(bytes, 0, length) : NULL;
        if (!end)
            return SPF_QUESTION_MALFORMED;
        fields[i] = bytes;
        length -= (size_t)(end + 1 - bytes);
        bytes = end + 1;
    }
    return length > 0 ? SPF_QUESTION_MALFORMED
                      : spf_question_make(question, fields[0], fields[1], fields[2]);
}
