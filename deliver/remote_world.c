#include "deliver/remote_world.h"

#include <errno.h>
#include <sys/random.h>

#include "lib/log.h"

static void ask(void *context, struct dns_question const *questions, struct dns_answer *answers,
                size_t count, tain const *deadline)
{
    struct remote_settings const *const settings = context;
    dns_ask(&settings->nameservers, questions, answers, count, deadline);
}

/* The kernel's, piece by piece; after boot it does not fail. What it would not fill stays as it is:
 * the order is fairness, nothing hangs on it. */
static void fill_random(void *bytes, size_t length)
{
    enum { PIECE = 256 };
    for (size_t done = 0; done < length;) {
        size_t const left = length - done;
        ssize_t const got =
            getrandom((char *)bytes + done, left < PIECE ? left : PIECE, GRND_NONBLOCK);
        if (got <= 0)
            return;
        done += (size_t)got;
    }
}

bool remote_world_start(struct remote_world *world, struct remote_ourselves *ourselves,
                        struct remote_settings *settings)
{
    *world = (struct remote_world){
        .ask = ask, .context = settings, .random = fill_random, .ourselves = ourselves};
    if (remote_ourselves_load(ourselves, &settings->moreipme, &settings->notipme))
        return true;
    log_failure("own-addresses-unknown", "getifaddrs", errno);
    return false;
}
