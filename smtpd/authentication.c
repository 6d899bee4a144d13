#include "smtpd/authentication.h"

bool authentication_is_offered(struct session const *session)
{
    (void)session;
    return false;
}

void authentication_run(struct session *session, struct command const *command)
{
    (void)command;
    session_refuse_text(session, 502, "5.5.1", "this command is not offered here", "off");
}

bool authentication_allows_mail(struct session *session)
{
    if (session->connection->role == ROLE_MX || session->login[0])
        return true;
    session_refuse_text(session, 530, "5.7.0", "please log in first", "no-login");
    return false;
}
