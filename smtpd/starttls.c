#include "smtpd/starttls.h"

bool starttls_is_offered(struct session const *session)
{
    (void)session;
    return false;
}

void starttls_run(struct session *session, struct command const *command)
{
    (void)command;
    session_refuse_text(session, 502, "5.5.1", "this command is not offered here", "off");
}

bool starttls_begin(struct session *session)
{
    (void)session;
    return true;
}
