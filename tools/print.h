/* What a tool shows, on standard output. Whatever strangers chose is escaped: in text each byte
 * that is no printable ASCII, in JSON what is no valid UTF-8 (lib/utf8.h), and in both the
 * backslash, become \xNN; so a reader can undo it. */
#ifndef EKIDEN_PRINT_H
#define EKIDEN_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void print(char const *text);
void print_number(uint64_t number);
void print_escaped(char const *text, size_t length);
/* The same, and blanks stay. */
void print_text(char const *text, size_t length);
/* SECONDS since 1970 as RFC 5322 has dates. */
void print_date(uint64_t seconds);
/* A JSON string, with its quotes. */
void print_string(char const *text, size_t length);

/* Makes what was printed go out. False: errno. */
bool print_flush(void);

#endif
