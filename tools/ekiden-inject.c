/* ekiden-inject: completes a message and puts it into the queue, as qmail-inject does. */
#include <errno.h>

#include <skalibs/sgetopt.h>

#include "lib/descriptors.h"
#include "tools/problem.h"
#include "tools/submission.h"

#define USAGE                                                                                      \
    "ekiden-inject [ -aAhHnN ] [ -f sender ] [ -F name ] [ -C control ] [ -i socket ] "            \
    "[ recipient... ]"

/* qmail-inject's codes. */
static int const codes[PROBLEM_KINDS] = {
    [PROBLEM_USAGE] = 100,      [PROBLEM_DATA] = 100,      [PROBLEM_RECIPIENT] = 100,
    [PROBLEM_REFUSED] = 100,    [PROBLEM_TEMPORARY] = 111, [PROBLEM_CONFIGURATION] = 111,
    [PROBLEM_PERMISSION] = 100,
};

int main(int argc, char const *const *argv)
{
    struct submission submission = {.recipients = SUBMISSION_EITHER};
    subgetopt options = SUBGETOPT_ZERO;
    problem_start("ekiden-inject", codes);
    if (!descriptors_standard())
        problem_die(PROBLEM_TEMPORARY, "/dev/null", errno);
    if (argc < 1)
        problem_die(PROBLEM_USAGE, USAGE, 0);
    for (int option; (option = subgetopt_r(argc, argv, "aAhHnNf:F:C:i:", &options)) >= 0;)
        switch (option) {
        case 'a':
            submission.recipients = SUBMISSION_ARGUMENTS;
            break;
        case 'A':
            submission.recipients = SUBMISSION_EITHER;
            break;
        case 'h':
            submission.recipients = SUBMISSION_HEADER;
            break;
        case 'H':
            submission.recipients = SUBMISSION_BOTH;
            break;
        case 'n':
            submission.print = true;
            break;
        case 'N':
            submission.print = false;
            break;
        case 'f':
            submission.sender = options.arg;
            break;
        case 'F':
            submission.name = options.arg;
            break;
        case 'C':
            submission.control = options.arg;
            break;
        case 'i':
            submission.inject = options.arg;
            break;
        default:
            problem_die(PROBLEM_USAGE, USAGE, 0);
        }
    submission.arguments = argv + options.ind;
    submission_run(&submission);
    return 0;
}
