#include "deliver/launch_take.h"

#include <string.h>

bool launch_take(struct launch *launch, unixmessage const *message)
{
    struct job job;
    if (!job_parse(&job, message->s, message->len)) {
        unixmessage_drop(message);
        if (job.number)
            launch_defer(launch, "", job.number, "4.3.5 the delivery job is malformed");
        return job.number != 0;
    }
    char const *refused = NULL;
    struct launch_user *user = NULL;
    if (job.kind != JOB_SYSTEM || message->nfds != 1)
        refused = "4.3.5 this is no delivery job for a system user";
    else if (strlen(job.target) > LAUNCH_NAME_MAX)
        refused = "4.3.5 the account has a name that is too long";
    else if (!(user = launch_user_find(launch, job.target)))
        refused = "4.3.0 delivery needs more memory";
    else if (user->killed)
        refused = "4.3.0 an earlier delivery process of this user does not end";
    else if (launch_user_is_behind(user))
        refused = "4.3.2 too many messages wait for this user at present";
    else if (!launch_user_add(launch, user, job.number, message->s, message->len, message->fds[0]))
        refused = "4.3.0 delivery needs more memory";
    if (refused) {
        unixmessage_drop(message);
        launch_defer(launch, job.target, job.number, refused);
    }
    return true;
}
