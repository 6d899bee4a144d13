#include "deliver/dotqmail_environment.h"

#include <stdio.h>
#include <string.h>

#include "lib/address.h"

void dotqmail_environment_free(struct dotqmail_environment *environment)
{
    stralloc_free(&environment->bytes);
}

static bool add(stralloc *bytes, char const *name, char const *value, size_t length)
{
    return stralloc_cats(bytes, name) && stralloc_catb(bytes, "=", 1) &&
           stralloc_catb(bytes, value, length) && stralloc_0(bytes);
}

static bool add_text(stralloc *bytes, char const *name, char const *value)
{
    return add(bytes, name, value, strlen(value));
}

/* NAME=PREFIX VALUE SUFFIX LF, where a LF within becomes `_`. */
static bool add_line(stralloc *bytes, char const *name, char const *prefix, stralloc const *value,
                     char const *suffix)
{
    if (!stralloc_cats(bytes, name) || !stralloc_catb(bytes, "=", 1))
        return false;
    size_t const start = bytes->len;
    if (!stralloc_cats(bytes, prefix) || !stralloc_catb(bytes, value->s, value->len))
        return false;
    for (size_t i = start; i < bytes->len; i++)
        if (bytes->s[i] == '\n')
            bytes->s[i] = '_';
    return stralloc_cats(bytes, suffix) && stralloc_catb(bytes, "\n", 2);
}

/* EXT, EXT2, ...: what follows the first, second, third `-`. */
static bool add_extensions(stralloc *bytes, char const *extension)
{
    static char const *const names[] = {"EXT", "EXT2", "EXT3", "EXT4"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!add_text(bytes, names[i], extension))
            return false;
        extension += strcspn(extension, "-");
        extension += *extension != 0;
    }
    return true;
}

/* HOST, HOST2, ...: without what follows the last, second last, third last dot. */
static bool add_hosts(stralloc *bytes, char const *host)
{
    static char const *const names[] = {"HOST", "HOST2", "HOST3", "HOST4"};
    size_t length = strlen(host);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!add(bytes, names[i], host, length))
            return false;
        char const *const dot = length ? memrchr(host, '.', length) : NULL;
        if (dot)
            length = (size_t)(dot - host);
    }
    return true;
}

/* UFLINE=From SENDER Thu Jan  1 00:00:00 1970, in UTC. */
static bool add_from_line(struct dotqmail_environment *environment,
                          struct dotqmail_names const *names)
{
    stralloc *const bytes = &environment->bytes;
    char const *const sender = *names->sender ? names->sender : "MAILER-DAEMON";
    char date[32];
    struct tm when;
    if (!gmtime_r(&names->now, &when) || !asctime_r(&when, date))
        snprintf(date, sizeof date, "Thu Jan  1 00:00:00 1970\n");
    if (!stralloc_cats(bytes, "UFLINE="))
        return false;
    environment->from_line = bytes->len;
    if (!stralloc_cats(bytes, "From "))
        return false;
    size_t const start = bytes->len;
    if (!stralloc_cats(bytes, sender))
        return false;
    for (size_t i = start; i < bytes->len; i++)
        if (bytes->s[i] == ' ' || bytes->s[i] == '\t' || bytes->s[i] == '\n')
            bytes->s[i] = '-';
    return stralloc_catb(bytes, " ", 1) && stralloc_catb(bytes, date, strlen(date) + 1);
}

static bool add_lines(struct dotqmail_environment *environment, struct dotqmail_names const *names,
                      stralloc *recipient, stralloc *quoted)
{
    stralloc *const bytes = &environment->bytes;
    quoted->len = 0;
    if (!address_quote(quoted, recipient->s, recipient->len) ||
        !add_line(bytes, "DTLINE", "Delivered-To: ", quoted, ""))
        return false;
    quoted->len = 0;
    return address_quote(quoted, names->sender, strlen(names->sender)) &&
           add_line(bytes, "RPLINE", "Return-Path: <", quoted, ">") &&
           add_from_line(environment, names);
}

static bool fill(struct dotqmail_environment *environment, struct dotqmail_names const *names,
                 stralloc *recipient, stralloc *quoted)
{
    stralloc *const bytes = &environment->bytes;
    if (!stralloc_cats(recipient, names->local) ||
        (*names->host &&
         (!stralloc_catb(recipient, "@", 1) || !stralloc_cats(recipient, names->host))))
        return false;
    return add_text(bytes, "PATH", names->path) && add_text(bytes, "USER", names->user) &&
           add_text(bytes, "HOME", names->home) && add_text(bytes, "LOCAL", names->local) &&
           add(bytes, "RECIPIENT", recipient->s, recipient->len) &&
           add_text(bytes, "SENDER", names->sender) &&
           add_text(bytes, "NEWSENDER", names->new_sender) &&
           (!names->default_part || add_text(bytes, "DEFAULT", names->default_part)) &&
           add_extensions(bytes, names->extension) && add_hosts(bytes, names->host) &&
           add_lines(environment, names, recipient, quoted);
}

bool dotqmail_environment_make(struct dotqmail_environment *environment,
                               struct dotqmail_names const *names)
{
    stralloc recipient = STRALLOC_ZERO, quoted = STRALLOC_ZERO;
    environment->bytes.len = 0;
    bool const made = fill(environment, names, &recipient, &quoted);
    stralloc_free(&recipient);
    stralloc_free(&quoted);
    if (!made)
        return false;
    size_t count = 0;
    for (size_t at = 0; at < environment->bytes.len; at += strlen(environment->bytes.s + at) + 1)
        environment->variables[count++] = environment->bytes.s + at;
    environment->variables[count] = NULL;
    return true;
}

char const *dotqmail_environment_from_line(struct dotqmail_environment const *environment)
{
    return environment->bytes.s + environment->from_line;
}
