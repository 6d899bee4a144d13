#include "spf/spf_validated.h"

#include <string.h>

enum kinship { STRANGER, BELOW, SAME };

static enum kinship kinship(char const *name, char const *domain)
{
    size_t const length = strlen(name), parent = strlen(domain);
    if (length < parent || strcmp(name + length - parent, domain) != 0)
        return STRANGER;
    if (length == parent)
        return SAME;
    return name[length - parent - 1] == '.' ? BELOW : STRANGER;
}

/* A host name in the narrow sense: in one that has bytes to be escaped not every dot divides. */
static bool is_usable(struct dns_record const *name)
{
    return name->length > 0 && name->length <= SPF_NAME_MAX && !strchr(name->text, '\\');
}

static bool has_address(struct dns_answer const *answer, ip46 const *ip)
{
    for (size_t i = 0; answer->status == DNS_OK && i < answer->count; i++)
        if (memcmp(answer->records[i].ip.ip, ip->ip, ip46_is6(ip) ? 16 : 4) == 0)
            return true;
    return false;
}

/* Asks for the addresses of all names at once, and keeps those names that have IP. */
static void confirm(struct spf_validated *validated, struct spf_check *check, ip46 const *ip,
                    struct dns_answer const *names)
{
    struct dns_question questions[SPF_NAMES];
    struct dns_answer answers[SPF_NAMES];
    size_t count = 0;
    for (size_t i = 0; i < names->count && i < SPF_NAMES; i++)
        if (is_usable(names->records + i))
            questions[count++] =
                (struct dns_question){names->records[i].text, ip46_is6(ip) ? DNS_AAAA : DNS_A};
    spf_check_ask(check, questions, answers, count);
    for (size_t i = 0; i < count; i++) {
        if (has_address(answers + i, ip))
            strcpy(validated->names[validated->count++], questions[i].name);
        dns_answer_free(answers + i);
    }
}

void spf_validated_find(struct spf_validated *validated, struct spf_check *check, ip46 const *ip)
{
    char reverse[DNS_REVERSE_MAX];
    struct dns_question const question = {reverse, DNS_PTR};
    struct dns_answer names;
    if (validated->known)
        return;
    validated->known = true;
    dns_reverse_name(reverse, ip);
    spf_check_ask(check, &question, &names, 1);
    validated->is_void = spf_check_is_void(&names);
    if (names.status == DNS_OK)
        confirm(validated, check, ip, &names);
    dns_answer_free(&names);
}

static char const *find(struct spf_validated const *validated, char const *domain,
                        enum kinship least)
{
    for (size_t i = 0; i < validated->count; i++)
        if (kinship(validated->names[i], domain) >= least)
            return validated->names[i];
    return NULL;
}

char const *spf_validated_choose(struct spf_validated const *validated, char const *domain)
{
    char const *name = find(validated, domain, SAME);
    if (!name)
        name = find(validated, domain, BELOW);
    if (!name)
        name = find(validated, domain, STRANGER);
    return name ? name : "unknown";
}

bool spf_validated_match(struct spf_validated const *validated, char const *domain)
{
    return find(validated, domain, BELOW) != NULL;
}
