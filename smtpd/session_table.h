/* The sessions of a listener, counted in memory that all its processes share.
 *
 * A slot belongs to one dialogue process: its template claims it before the fork and releases it
 * after the process ended, however it ended, so a killed session never stays counted. One that ends
 * by itself leaves before: a client that comes again at once must not meet its own last session,
 * whose process may take its time to go. There is no lock: a session enters itself, then counts; at
 * worst two that come together both find the place taken. A hijacked session could spoil the
 * counts, and so the caps; it gains nothing else. */
#ifndef EKIDEN_SESSION_TABLE_H
#define EKIDEN_SESSION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/ip46.h>

#include "smtpd/connection.h"

struct session_table;

/* A table for CAPACITY processes, shared with all later children. NULL: errno. */
struct session_table *session_table_new(size_t capacity);

/* For a process that has no more to do with it; others keep theirs. */
void session_table_unmap(struct session_table *table);

/* Claims a slot for a process that waits for a connection. -1: all are taken. */
int session_table_claim(struct session_table *table);

/* The slot's process waits for a connection still. */
bool session_table_is_waiting(struct session_table const *table, int slot);

/* The slot's process has ended. */
void session_table_release(struct session_table *table, int slot);

/* The slot's process has a client at IP (the whole address counts, of IPv6 its /64). Says whether
 * it is one too many; a session without an address (HAS_IP false) counts in total only. */
enum connection_refusal session_table_enter(struct session_table *table, int slot, ip46 const *ip,
                                            bool has_ip, uint64_t total, uint64_t per_address);

/* The slot's process has done with its client, and is no longer counted. The slot stays taken until
 * it is released. */
void session_table_leave(struct session_table *table, int slot);

/* Sessions under way, and connections taken since the start. */
size_t session_table_active(struct session_table const *table);
uint64_t session_table_taken(struct session_table const *table);

#endif
