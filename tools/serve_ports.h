/* The ports of ekiden-serve: for mail between servers always, for mail from users where asked. */
#ifndef EKIDEN_SERVE_PORTS_H
#define EKIDEN_SERVE_PORTS_H

#include <stdbool.h>
#include <stdint.h>

enum serve_role { SERVE_SMTP, SERVE_SUBMISSION, SERVE_SUBMISSIONS, SERVE_ROLES };

struct serve_ports {
    struct {
        bool asked;    /* is served */
        bool chosen;   /* by the kernel: port 0 was asked for */
        uint16_t port; /* 0 until serve_ports_bind where `chosen` */
        int listener;  /* close-on-exec */
    } of[SERVE_ROLES];
};

/* Reads `--smtp PORT`, `--submission PORT`, `--submissions PORT` in any order out of the
 * NULL-terminated WORDS; without --smtp it is 2525, and the others are not served. False: something
 * else stands there. */
bool serve_ports_parse(struct serve_ports *ports, char const *const *words);

/* Listens on 127.0.0.1 at each port that was asked for. After SIGKILL the sessions of the server
 * before may still hold a port while they end: that is waited for, 5 seconds. Dies with 111 after
 * logging which port cannot be had. */
void serve_ports_bind(struct serve_ports *ports);

/* In the child that becomes ekiden-smtpd: passes the listeners as systemd does (sd_listen_fds(3)),
 * from descriptor 3 on, each with the name of its role, and READY behind them. What was there is
 * closed. Returns the number that READY has now. Dies with 111 after logging when it fails. */
int serve_ports_pass(struct serve_ports const *ports, int ready);

/* Writes `ready`, and `ROLE=PORT` for each port that the kernel chose, as a line to standard
 * output. */
void serve_ports_print(struct serve_ports const *ports);

#endif
