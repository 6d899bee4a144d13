/* ekiden-tls: TLS for programs that have a connection. See ekiden-tls(8). */
#include <sys/socket.h>

#include <skalibs/sgetopt.h>

#include "configured.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "tls/client_service.h"
#include "tls/server_service.h"
#include "tls/ucspi.h"

#define USAGE                                                                                      \
    "usage: ekiden-tls [ -C CONTROL ] -s | -c, or "                                                \
    "ekiden-tls [ -C CONTROL ] -u | -n PROGRAM [ ARGUMENT... ]"

struct options {
    char const *control;
    int mode;                   /* the letter of its option; 0: none */
    char const *const *program; /* and its arguments; 0: none */
};

static bool parse_options(struct options *options, int argc, char const *const *argv)
{
    subgetopt state = SUBGETOPT_ZERO;
    state.prog = "ekiden-tls";
    *options = (struct options){.control = CONFIGURED_CONTROL};
    for (int option; (option = subgetopt_r(argc, argv, "C:scun", &state)) >= 0;)
        switch (option) {
        case 'C':
            options->control = state.arg;
            break;
        case 's':
        case 'c':
        case 'u':
        case 'n':
            if (options->mode)
                return false;
            options->mode = option;
            break;
        default:
            return false;
        }
    if (state.ind < argc)
        options->program = argv + state.ind;
    bool const takes_program = options->mode == 'u' || options->mode == 'n';
    return options->mode && takes_program == (options->program != NULL);
}

/* Called by hand a service would wait for nothing, or never stop finding it. */
static bool is_request_socket(int descriptor)
{
    int type = 0;
    socklen_t length = sizeof type;
    return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == SOCK_SEQPACKET;
}

int main(int argc, char const *const *argv)
{
    struct options options;
    struct control control;
    struct control_error error;
    log_start("ekiden-tls");
    descriptors_hide_log();
    if (!descriptors_standard())
        return 111;
    if (!parse_options(&options, argc, argv)) {
        log_failure("usage", USAGE, 0);
        return 100;
    }
    if (!options.program && !is_request_socket(0)) {
        log_failure("usage", "-s and -c are started by who asks for TLS: fd 0 is no packet socket",
                    0);
        return 100;
    }
    if (control_open(&control, options.control, &error) == CONTROL_ERROR) {
        log_failure("not-started", error.text, 0);
        return 111;
    }
    switch (options.mode) {
    case 's':
        return server_service_run(0, &control);
    case 'c':
        return client_service_run(0, &control);
    default:
        return ucspi_run(options.mode == 'u' ? UCSPI_OFFERED : UCSPI_AT_ONCE, &control,
                         options.program);
    }
}
