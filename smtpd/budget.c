#include "smtpd/budget.h"

#include <skalibs/fmtscan.h>
#include <skalibs/types.h>

#include "smtpd/helper_ask.h"

/* `login NUL recipients NUL`. */
static size_t format(char *bytes, char const *login, uint64_t recipients)
{
    size_t length = str_fmt(bytes, login);
    bytes[length++] = 0;
    length += uint64_fmt(bytes + length, recipients);
    bytes[length++] = 0;
    return length;
}

bool budget_spend(struct session *session)
{
    char const request = HELPER_BUDGET;
    char bytes[SESSION_LOGIN_MAX + 1 + UINT64_FMT + 1];
    int code;
    if (!session->login[0])
        return true;
    size_t const length = format(bytes, session->login, session->transaction.recipients);
    switch (helper_ask(&session->stream, &request, 1, bytes, length, &code)) {
    case HELPER_YES:
        return true;
    case HELPER_NO:
        session_refuse_text(session, 450, "4.7.1",
                            "you have sent as much as you may in an hour, please try again later",
                            "login-budget");
        break;
    case HELPER_FAILED:
    case HELPER_TIMEOUT:
        session_refuse_text(session, 451, "4.3.0",
                            "what you have sent cannot be counted right now, please try again "
                            "later",
                            "login-budget-unknown");
        break;
    case HELPER_STOPPED:
        session->end = SESSION_STOPPED;
        break;
    }
    return false;
}
