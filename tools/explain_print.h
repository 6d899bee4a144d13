/* What `ekiden explain` shows: lines for people, or one JSON object. */
#ifndef EKIDEN_EXPLAIN_PRINT_H
#define EKIDEN_EXPLAIN_PRINT_H

#include "tools/explain.h"

/* ROUTE says where an accepted recipient's mail goes; empty where none was accepted. */
void explain_print_text(struct explain_question const *question,
                        struct explain_answer const *answer, char const *route);
void explain_print_json(struct explain_question const *question,
                        struct explain_answer const *answer, char const *route);

#endif
