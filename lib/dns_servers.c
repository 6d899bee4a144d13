/* Which name servers are asked: the control file `nameservers`, else resolv.conf(5). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/djbunix.h>

#include "lib/dns.h"
#include "lib/ip.h"

#define PORT        53
#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_MAX  16384 /* bytes of it that are read */
#define EXPECTED                                                                                   \
    "a name server such as 192.0.2.53, 127.0.0.1:5353, [2001:db8::53]:53, and perhaps `trusted`"
#define BLANKS " \t\r"

/* 1 to 65535, digits only. */
static bool scan_port(uint16_t *port, char const *text)
{
    unsigned int sum = 0;
    size_t const length = strlen(text);
    if (length == 0 || length > 5 || strspn(text, "0123456789") != length)
        return false;
    for (; *text; text++)
        sum = sum * 10 + (unsigned int)(*text - '0');
    *port = (uint16_t)sum;
    return sum > 0 && sum <= 65535;
}

/* TEXT is changed. */
static bool scan_endpoint(struct dns_server *server, char *text)
{
    char *port = NULL;
    server->port = PORT;
    if (*text == '[') {
        char *const end = strchr(text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        port = end[1] ? end + 2 : NULL;
        *end = 0;
        if (!ip_scan(&server->ip, text + 1))
            return false;
    } else if (!ip_scan(&server->ip, text)) {
        port = strrchr(text, ':');
        if (!port)
            return false;
        *port++ = 0;
        /* IPv6 with a port has brackets: else 2001:db8::1:53 is two things at once. */
        if (strchr(text, ':') || !ip_scan(&server->ip, text))
            return false;
    }
    server->trusted = ip_is_loopback(&server->ip);
    return !port || scan_port(&server->port, port);
}

static bool add_line(void *context, char const *line, size_t length, unsigned int number,
                     struct control_error *error)
{
    struct dns_servers *servers = context;
    struct dns_server server;
    char text[128], *next = NULL;
    (void)number;
    if (length >= sizeof text)
        return control_fail(error, EXPECTED, line, length);
    memcpy(text, line, length);
    text[length] = 0;
    char *const endpoint = strtok_r(text, BLANKS, &next);
    char const *const word = strtok_r(NULL, BLANKS, &next);
    if (!endpoint || !scan_endpoint(&server, endpoint) || strtok_r(NULL, BLANKS, &next) ||
        (word && strcmp(word, "trusted") != 0))
        return control_fail(error, EXPECTED, line, length);
    if (servers->count == DNS_SERVERS_MAX)
        return control_fail(error, "at most 8 name servers", line, length);
    server.trusted |= word != NULL;
    servers->servers[servers->count++] = server;
    return true;
}

/* `nameserver IP` lines. What is not understood (an interface behind a link-local address, an odd
 * word) is skipped, as the C library does: the file is not ours to correct. */
static void take_resolv_conf(struct dns_servers *servers, char *text)
{
    char *next_line = NULL;
    for (char *line = strtok_r(text, "\n", &next_line); line;
         line = strtok_r(NULL, "\n", &next_line)) {
        struct dns_server server = {.port = PORT};
        char *next = NULL;
        char const *const word = strtok_r(line, BLANKS, &next);
        char const *const address = strtok_r(NULL, BLANKS, &next);
        if (!word || strcmp(word, "nameserver") != 0 || !address || !ip_scan(&server.ip, address) ||
            servers->count == DNS_SERVERS_MAX)
            continue;
        server.trusted = ip_is_loopback(&server.ip);
        servers->servers[servers->count++] = server;
    }
}

static enum control_result load_resolv_conf(struct dns_servers *servers, char const *path,
                                            struct control_error *error)
{
    char text[RESOLV_MAX + 1];
    ssize_t length = openreadnclose(path, text, RESOLV_MAX);
    /* Without the file the host asks itself: resolv.conf(5). */
    if (length < 0 && (errno == ENOENT || errno == ENOTDIR))
        length = 0;
    if (length < 0) {
        snprintf(error->text, sizeof error->text,
                 "%.200s: cannot be read: %s: make it readable, or name the servers in the control "
                 "file nameservers",
                 path, strerror(errno));
        return CONTROL_ERROR;
    }
    text[length] = 0;
    take_resolv_conf(servers, text);
    return CONTROL_OK;
}

enum control_result dns_servers_load(struct dns_servers *servers, struct control const *control,
                                     char const *resolv_conf, struct control_error *error)
{
    struct dns_servers loaded = {.count = 0};
    enum control_result result = control_lines(control, "nameservers", add_line, &loaded, error);
    if (result != CONTROL_ERROR && loaded.count == 0)
        result = load_resolv_conf(&loaded, resolv_conf ? resolv_conf : RESOLV_CONF, error);
    if (result == CONTROL_ERROR)
        return result;
    if (loaded.count == 0) {
        loaded.servers[0] = (struct dns_server){.port = PORT, .trusted = true};
        ip46_from_ip4(&loaded.servers[0].ip, IP4_LOCAL);
        loaded.count = 1;
    }
    *servers = loaded;
    return CONTROL_OK;
}
