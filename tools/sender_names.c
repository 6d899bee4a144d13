#include "tools/sender_names.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/control.h"
#include "lib/control_host.h"
#include "tools/problem.h"

/* The first of the NULL-terminated variables that is set to something. */
static char const *first_of(char const *const *variables, char const *otherwise)
{
    for (; *variables; variables++) {
        char const *const value = getenv(*variables);
        if (value && *value)
            return value;
    }
    return otherwise;
}

/* The caller's name in /etc/passwd, read directly: a name service does not belong into a static
 * program. */
static char const *account(void)
{
    FILE *const file = fopen("/etc/passwd", "re");
    char *found = NULL;
    struct passwd const *entry;
    while (file && !found && (entry = fgetpwent(file)))
        if (entry->pw_uid == getuid())
            found = strdup(entry->pw_name);
    if (file)
        fclose(file);
    return found ? found : "anonymous";
}

static unsigned int read_flags(char const *letters)
{
    static char const known[] = "cfirms"; /* in the order of enum sender_flags */
    unsigned int flags = 0;
    for (; letters && *letters; letters++) {
        char const *const letter = strchr(known, *letters);
        if (letter)
            flags |= 1u << (letter - known);
    }
    return flags;
}

/* The variable, or the control file, or FALLBACK. */
static char const *read_host(struct control const *control, char const *variable, char const *name,
                             char const *fallback)
{
    struct control_error error;
    char const *const value = getenv(variable);
    char *host;
    if (value && *value)
        return value;
    if (control_host(&host, control, name, fallback, &error) == CONTROL_ERROR)
        problem_die(PROBLEM_CONFIGURATION, error.text, 0);
    return host;
}

char const *const sender_names_files[] = {"defaulthost", "defaultdomain", "plusdomain", "idhost",
                                          NULL};

static void read_hosts(struct sender_names *names, char const *path)
{
    struct control control;
    struct control_error error;
    char *me;
    if (control_open(&control, path, &error) == CONTROL_ERROR ||
        control_me(&me, &control, &error) == CONTROL_ERROR)
        problem_die(PROBLEM_CONFIGURATION, error.text, 0);
    char const *const *const files = sender_names_files;
    names->default_host = read_host(&control, "QMAILDEFAULTHOST", files[0], me);
    names->default_domain = read_host(&control, "QMAILDEFAULTDOMAIN", files[1], me);
    names->plus_domain = read_host(&control, "QMAILPLUSDOMAIN", files[2], me);
    names->id_host = read_host(&control, "QMAILIDHOST", files[3], me);
    free(me);
    control_close(&control);
}

void sender_names_read(struct sender_names *names, char const *control)
{
    static char const *const users[] = {"QMAILUSER", "MAILUSER", "USER", "LOGNAME", NULL};
    static char const *const hosts[] = {"QMAILHOST", "MAILHOST", NULL};
    static char const *const full[] = {"QMAILNAME", "MAILNAME", "NAME", NULL};
    static char const *const sender_users[] = {"QMAILSUSER", NULL};
    static char const *const sender_hosts[] = {"QMAILSHOST", NULL};
    read_hosts(names, control);
    names->user = first_of(users, NULL);
    if (!names->user)
        names->user = account();
    names->host = first_of(hosts, names->default_host);
    names->sender_user = first_of(sender_users, names->user);
    names->sender_host = first_of(sender_hosts, names->host);
    names->name = first_of(full, NULL);
    names->flags = read_flags(getenv("QMAILINJECT"));
}

static void add(stralloc *out, char const *bytes, size_t length)
{
    if (!stralloc_catb(out, bytes, length))
        problem_die(PROBLEM_TEMPORARY, "out of memory", errno);
}

void sender_names_domain(stralloc *out, struct sender_names const *names, char const *domain,
                         size_t length)
{
    if (!length || (length == 9 && !strncasecmp(domain, "localhost", length))) {
        domain = names->default_host;
        length = strlen(domain);
    }
    bool const plus = length && domain[length - 1] == '+';
    add(out, domain, length - plus);
    if (!plus && (memchr(domain, '.', length) || *domain == '['))
        return;
    char const *const more = plus ? names->plus_domain : names->default_domain;
    add(out, ".", 1);
    add(out, more, strlen(more));
}
