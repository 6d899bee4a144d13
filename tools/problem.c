#include "tools/problem.h"

#include <unistd.h>

#include "lib/log.h"

static int const *exit_codes;

void problem_start(char const *program, int const codes[static PROBLEM_KINDS])
{
    log_start(program);
    exit_codes = codes;
}

_Noreturn void problem_die(enum problem kind, char const *what, int number)
{
    log_failure("not-sent", what, number);
    _exit(exit_codes[kind]);
}

_Noreturn void problem_die_about(enum problem kind, char const *what, char const *about,
                                 unsigned long length)
{
    struct log_line line;
    log_begin(&line, "not-sent");
    log_text(&line, "what", what);
    log_bytes(&line, "at", about, length);
    log_write(&line);
    _exit(exit_codes[kind]);
}
