/* The rules of smtpd/policy.h: what each is called, and what it says to a client. */
#include "smtpd/policy.h"

static struct {
    char const *name;
    unsigned int number; /* 0: accepted */
    char const *status, *text;
} const rules[] = {
    [POLICY_WELCOME] = {"welcome", 0, 0, 0},
    [POLICY_POSTMASTER] = {"postmaster", 0, 0, 0},
    [POLICY_RCPTHOSTS] = {"rcpthosts", 0, 0, 0},
    [POLICY_MORERCPTHOSTS] = {"morercpthosts", 0, 0, 0},
    [POLICY_RELAYCLIENTS] = {"relayclients", 0, 0, 0},
    [POLICY_RELAYCLIENT] = {"RELAYCLIENT", 0, 0, 0},
    [POLICY_LOGIN] = {"login", 0, 0, 0},
    [POLICY_SRS] = {"srs", 0, 0, 0},
    [POLICY_BATV] = {"batv", 0, 0, 0},
    [POLICY_BATVEXEMPT] = {"batvexempt", 0, 0, 0},
    [POLICY_BADCLIENTS] = {"badclients", 554, "5.7.1",
                           "mail from your address is not taken here (badclients)"},
    [POLICY_BADMAILFROM] = {"badmailfrom", 553, "5.7.1",
                            "mail from this sender is not taken here (badmailfrom)"},
    [POLICY_BADHELO] = {"badhelo", 550, "5.7.1",
                        "mail from a host that calls itself so is not taken here (badhelo)"},
    [POLICY_BADRCPTTO] = {"badrcptto", 550, "5.7.1",
                          "mail to this recipient is not taken from you here (badrcptto)"},
    [POLICY_SENDER_WITHOUT_DOMAIN] = {"sender-without-domain", 553, "5.1.8",
                                      "the sender's address needs a domain, as in <name@example>"},
    [POLICY_NULL_RECIPIENT] = {"null-recipient", 553, "5.1.3", "a recipient cannot be empty"},
    [POLICY_RECIPIENT_WITHOUT_DOMAIN] = {"recipient-without-domain", 553, "5.1.3",
                                         "the recipient's address needs a domain, as in "
                                         "<name@example>"},
    [POLICY_NO_SUCH_MAILBOX] = {"no-such-mailbox", 550, "5.1.1", "there is no such mailbox here"},
    [POLICY_FOREIGN_LITERAL] = {"foreign-literal", 550, "5.7.1",
                                "this address literal is not ours, and relaying is not open to "
                                "you"},
    [POLICY_NO_RELAY] = {"no-relay", 550, "5.7.1",
                         "we are not the mail server of this domain, and relaying is not open to "
                         "you; please use your own provider's server"},
    [POLICY_SRS_INVALID] = {"srs-invalid", 550, "5.7.1",
                            "this is no address of forwarded mail of ours, or it has expired"},
    [POLICY_SRS_UNUSABLE] = {"srs-unusable", 451, "4.3.5",
                             "what comes back to forwarded mail cannot be checked now, please try "
                             "again later"},
    [POLICY_BATV_INVALID] = {"batv", 550, "5.7.1",
                             "this sender was not signed here (BATV), or its signature has "
                             "expired (batv)"},
    [POLICY_BATV_UNUSABLE] = {"batv-unusable", 451, "4.3.5",
                              "what comes back to signed senders cannot be checked now, please try "
                              "again later"},
    [POLICY_BATVCHECK] = {"batvcheck", 550, "5.7.1",
                          "we did not send what this reports on: the senders of our mail are "
                          "signed (BATV), and this is not (batvcheck)"},
    [POLICY_SENDER_INCOMPLETE] = {"sender-incomplete", 554, "5.1.8",
                                  "the sender's domain is not complete, as in <name@example.org>"},
    [POLICY_RECIPIENT_INCOMPLETE] = {"recipient-incomplete", 554, "5.1.2",
                                     "the recipient's domain is not complete, as in "
                                     "<name@example.org>"},
    [POLICY_SENDER_FOREIGN] = {"authsenders", 553, "5.7.1",
                               "you may not send as this address with this login"},
    [POLICY_FROM_SYNTAX] = {"authcheckfrom", 550, "5.7.1",
                            "the From of the message cannot be read as addresses"},
    [POLICY_FROM_NUMBER] = {"authcheckfrom", 550, "5.7.1",
                            "the message needs one From field, and no other"},
    [POLICY_FROM_FOREIGN] = {"authcheckfrom", 550, "5.7.1",
                             "you may not write as the From of this message with this login"},
};

char const *policy_name(enum policy_rule rule)
{
    return rules[rule].name;
}

bool policy_accepts(enum policy_rule rule)
{
    return rules[rule].number == 0;
}

void policy_reply(enum policy_rule rule, struct reply *reply)
{
    reply_make(reply, rules[rule].number, rules[rule].status, rules[rule].text);
}
