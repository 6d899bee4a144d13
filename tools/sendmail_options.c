#include "tools/sendmail_options.h"

#include <string.h>
#include <strings.h>

#include "tools/problem.h"

/* What a letter has behind it. Of other sendmails' options those are passed over that say how and
 * not what: aliases (n), metoo (m), errors (e), and so on. */
static char const with_value[] = "ABCFLNORVXbefhopr";
static char const with_attached_value[] = "dq"; /* never in the next argument */
static char const alone[] = "EGIUcimnstvx";

static void choose_mode(struct sendmail_options *options, char const *value)
{
    static struct {
        char letter;
        enum sendmail_mode mode;
    } const modes[] = {{'m', SENDMAIL_SUBMIT},
                       {'s', SENDMAIL_SMTP},
                       {'p', SENDMAIL_QUEUE},
                       {'i', SENDMAIL_ALIASES}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (modes[i].letter == *value) {
            options->mode = modes[i].mode;
            return;
        }
    problem_die(PROBLEM_USAGE, "-b is followed by m, s, p or i; ekiden-smtpd is the server", 0);
}

static void take_value(struct sendmail_options *options, char letter, char const *value)
{
    switch (letter) {
    case 'b':
        choose_mode(options, value);
        break;
    case 'B':
        options->body_8bit = !strcasecmp(value, "8BITMIME");
        break;
    case 'f':
    case 'r':
        options->sender = value;
        break;
    case 'F':
        options->name = value;
        break;
    case 'N':
        options->notify = dsn_parse_notify(value, strlen(value));
        if (!options->notify)
            problem_die(PROBLEM_USAGE,
                        "-N is followed by never, or by a list of success, failure, delay", 0);
        break;
    case 'R':
        options->dsn.return_wish = !strcasecmp(value, "full")   ? DSN_RETURN_FULL
                                   : !strcasecmp(value, "hdrs") ? DSN_RETURN_HEADERS
                                                                : DSN_RETURN_UNSET;
        if (!options->dsn.return_wish)
            problem_die(PROBLEM_USAGE, "-R is followed by full or hdrs", 0);
        break;
    case 'V':
        options->dsn.envid = value;
        if (!dsn_is_envid(value, strlen(value)))
            problem_die(PROBLEM_USAGE, "-V is followed by an envelope id in xtext (RFC 3461)", 0);
        break;
    case 'o':
        options->ignore_dots |= *value == 'i';
        options->header_recipients |= *value == 't';
        break;
    case 'q':
        problem_die(
            PROBLEM_USAGE,
            "-q: the scheduler tries what is due by itself; SIGALRM to ekiden-send makes it "
            "try everything now",
            0);
    default:
        break;
    }
}

static void take_flag(struct sendmail_options *options, char letter)
{
    if (letter == 'i')
        options->ignore_dots = true;
    else if (letter == 't')
        options->header_recipients = true;
    else if (letter == 'I')
        options->mode = SENDMAIL_ALIASES;
}

/* The letters of one argument. Returns how many arguments it used. */
static int take_argument(struct sendmail_options *options, char const *const *argv)
{
    for (char const *letter = *argv + 1; *letter; letter++) {
        if (strchr(alone, *letter)) {
            take_flag(options, *letter);
        } else if (strchr(with_attached_value, *letter)) {
            take_value(options, *letter, letter + 1);
            return 1;
        } else if (!strchr(with_value, *letter)) {
            problem_die_about(PROBLEM_USAGE, "no option of sendmail", letter, 1);
        } else if (letter[1]) {
            take_value(options, *letter, letter + 1);
            return 1;
        } else if (!argv[1]) {
            problem_die_about(PROBLEM_USAGE, "this option needs a value", letter, 1);
        } else {
            take_value(options, *letter, argv[1]);
            return 2;
        }
    }
    return 1;
}

void sendmail_options_parse(struct sendmail_options *options, char const *const *argv)
{
    argv++;
    while (*argv && **argv == '-' && (*argv)[1] && strcmp(*argv, "--"))
        argv += take_argument(options, argv);
    if (*argv && !strcmp(*argv, "--"))
        argv++;
    options->arguments = argv;
}
