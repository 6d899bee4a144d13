/* ekiden: the commands of an operator, under one name. See ekiden(8). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/stralloc.h>

#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/program_path.h"
#include "tools/queue_command.h"

enum { EXIT_USAGE = 100, EXIT_TEMPORARY = 111 };

/* Either a function, or a program of its own. */
static struct command {
    char const *name, *what;
    int (*run)(int argc, char *const *argv); /* argv[0] is the command's name */
    char const *program;
} const commands[] = {
    {"queue", "show and change what waits in the queue; pause and resume", queue_command, NULL},
    {"explain", "what a client would be answered, and which line says so", NULL, "ekiden-explain"},
    {"check", "what is wrong with the configuration", NULL, "ekiden-check"},
    {"dns", "ask the name servers as Ekiden does", NULL, "ekiden-dns"},
    {"user", "users' names and passwords", NULL, "ekiden-passwd"},
    {"serve", "start a server and a scheduler, and stop them together", NULL, "ekiden-serve"}};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_usage(FILE *where)
{
    fputs("usage: ekiden COMMAND ...\ncommands:\n", where);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(where, "  %-8s %s\n", commands[i].name, commands[i].what);
    fputs("`ekiden queue help` tells more of that command; ekiden(8) of all.\n", where);
}

static bool asks_for_help(char const *word)
{
    return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

static int execute(char const *program, char *const *argv)
{
    stralloc path = STRALLOC_ZERO;
    if (program_path(&path, program))
        execv(path.s, argv);
    fprintf(stderr, "ekiden: %s cannot be executed: %s\n", program, strerror(errno));
    return EXIT_TEMPORARY;
}

int main(int argc, char *const *argv)
{
    log_start("ekiden");
    if (!descriptors_standard())
        return EXIT_TEMPORARY;
    if (argc > 1 && asks_for_help(argv[1])) {
        print_usage(stdout);
        return 0;
    }
    for (size_t i = 0; argc > 1 && i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run ? commands[i].run(argc - 1, argv + 1)
                                   : execute(commands[i].program, argv + 1);
    if (argc > 1)
        fputs("ekiden: there is no command of this name\n", stderr);
    print_usage(stderr);
    return EXIT_USAGE;
}
