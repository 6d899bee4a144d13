#include "tools/explain_dialogue.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/descriptors.h"
#include "lib/packet.h"
#include "lib/process.h"
#include "smtpd/connection.h"
#include "smtpd/fence.h"

#define EXIT_TEMPORARY 111

static int news; /* a trace has no context */

static void tell(char letter, char const *bytes, size_t length)
{
    struct iovec const pieces[2] = {{.iov_base = &letter, .iov_len = 1},
                                    {.iov_base = (char *)bytes, .iov_len = length}};
    if (!packet_send(news, pieces, 2, NULL, 0))
        _exit(EXIT_TEMPORARY);
}

static void tell_rule(struct finding const *finding)
{
    char bytes[FINDING_BYTES_MAX];
    tell(EXPLAIN_RULE, bytes, finding_format(bytes, finding));
}

static void tell_refusal(char const *rule)
{
    tell(EXPLAIN_REFUSAL, rule, strlen(rule));
}

static void tell_recipient(char const *recipient, size_t length)
{
    tell(EXPLAIN_ACCEPTED, recipient, length);
}

static struct trace const trace = {
    .rule = tell_rule, .refusal = tell_refusal, .recipient = tell_recipient};

/* What it logs of a session says nothing that is not shown anyway. */
static void hide_log(void)
{
    int const nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, STDERR_FILENO) < 0)
        _exit(EXIT_TEMPORARY);
}

_Noreturn void explain_dialogue(struct explain_question const *question,
                                struct explain_means const *means,
                                struct privilege_user const *user, struct explain_ends const *ends,
                                pid_t parent)
{
    struct connection connection = {.input = ends->client,
                                    .output = ends->client,
                                    .remote = question->ip,
                                    .has_remote = true,
                                    .role = question->role,
                                    .has_role = true,
                                    .settings = means->settings,
                                    .room = means->room,
                                    .injector_requests = ends->requests,
                                    .helper_requests = ends->requests,
                                    .tls_requests = -1,
                                    .tls_version = question->tls ? "TLSv1.2" : NULL,
                                    .stop = process_stop(),
                                    .waiting = process_waiting_for_stop(),
                                    .trace = &trace};
    int kept[] = {ends->client, ends->requests, ends->news, means->room->descriptor, STDERR_FILENO};
    ip46_from_ip4(&connection.local, IP4_LOCAL);
    news = ends->news;
    hide_log();
    descriptors_keep(kept, sizeof kept / sizeof *kept);
    privilege_drop(user, NULL);
    privilege_refuse_root();
    process_end_with(parent);
    fence_dialogue(false);
    _exit(dialogue_run(&connection));
}
