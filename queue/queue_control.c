#include "queue/queue_control.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/types.h>

#include "lib/fields.h"
#include "queue/send_place.h"

static struct {
    enum queue_operation operation;
    char const *name;
} const operations[] = {{QUEUE_HOLD, "hold"},   {QUEUE_RELEASE, "release"},
                        {QUEUE_RETRY, "retry"}, {QUEUE_RETRY_ALL, "retry-all"},
                        {QUEUE_DROP, "drop"},   {QUEUE_BOUNCE, "bounce"}};
#define OPERATIONS (sizeof operations / sizeof *operations)

static struct {
    int place;
    char const *name;
} const places[] = {{SEND_PLACE_NEW, "new"},
                    {SEND_PLACE_HOLD, "hold"},
                    {SEND_PLACE_BAD, "bad"},
                    {QUEUE_PLACE_UNKNOWN, ""}};
#define PLACES (sizeof places / sizeof *places)

char const *queue_operation_name(enum queue_operation operation)
{
    for (size_t i = 0; i < OPERATIONS; i++)
        if (operations[i].operation == operation)
            return operations[i].name;
    return "unknown";
}

static size_t add(char *packet, size_t at, char const *text)
{
    size_t const length = strlen(text);
    memcpy(packet + at, text, length + 1);
    return at + length + 1;
}

size_t queue_request_format(char packet[QUEUE_CONTROL_PACKET_MAX],
                            struct queue_request const *request)
{
    char const letter[2] = {(char)request->operation, 0};
    char number[UINT64_FMT] = "";
    size_t at = add(packet, 0, letter);
    at = add(packet, at, request->id);
    if (request->place >= 0)
        number[uint_fmt(number, (unsigned int)request->place)] = 0;
    char const *place = number;
    for (size_t i = 0; i < PLACES; i++)
        if (places[i].place == request->place)
            place = places[i].name;
    return add(packet, at, place);
}

static bool parse_place(int *place, char const *text)
{
    unsigned int slot;
    for (size_t i = 0; i < PLACES; i++)
        if (!strcmp(text, places[i].name)) {
            *place = places[i].place;
            return true;
        }
    if (!uint0_scan(text, &slot) || slot >= QUEUE_SLOTS)
        return false;
    *place = (int)slot;
    return true;
}

static bool parse_operation(enum queue_operation *operation, char const *text)
{
    for (size_t i = 0; i < OPERATIONS; i++)
        if (text[0] == (char)operations[i].operation && !text[1]) {
            *operation = operations[i].operation;
            return true;
        }
    return false;
}

bool queue_request_parse(struct queue_request *request, char const *packet, size_t length)
{
    enum { OPERATION, ID, PLACE, FIELDS };
    char const *fields[FIELDS];
    *request = (struct queue_request){.place = QUEUE_PLACE_UNKNOWN};
    if (!fields_split(fields, FIELDS, packet, length) ||
        !parse_operation(&request->operation, fields[OPERATION]) ||
        !parse_place(&request->place, fields[PLACE]))
        return false;
    if (request->operation == QUEUE_RETRY_ALL)
        return !*fields[ID];
    if (!queue_file_is_name(fields[ID]))
        return false;
    memcpy(request->id, fields[ID], QUEUE_ID_LENGTH);
    return true;
}

size_t queue_answer_format(char packet[QUEUE_CONTROL_PACKET_MAX], struct queue_answer const *answer)
{
    packet[0] = (char)answer->outcome;
    return add(packet, add(packet, 1, answer->id), answer->text);
}

bool queue_answer_parse(struct queue_answer *answer, char const *packet, size_t length)
{
    enum { OUTCOME_AND_ID, TEXT, FIELDS };
    static char const outcomes[] = {QUEUE_DONE, QUEUE_WAITS, QUEUE_GONE, QUEUE_NOTHING,
                                    QUEUE_FAILED};
    char const *fields[FIELDS];
    if (!fields_split(fields, FIELDS, packet, length) ||
        !memchr(outcomes, *fields[OUTCOME_AND_ID], sizeof outcomes))
        return false;
    char const *const id = fields[OUTCOME_AND_ID] + 1;
    if ((*id && !queue_file_is_name(id)) || !fields_is_text(fields[TEXT], QUEUE_CONTROL_TEXT_MAX))
        return false;
    answer->outcome = (enum queue_outcome)(unsigned char)*fields[OUTCOME_AND_ID];
    memcpy(answer->id, id, strlen(id) + 1);
    memcpy(answer->text, fields[TEXT], strlen(fields[TEXT]) + 1);
    return true;
}

void queue_answer_set(struct queue_answer *answer, char const *id, enum queue_outcome outcome,
                      char const *text, int number)
{
    answer->outcome = outcome;
    snprintf(answer->id, sizeof answer->id, "%s", id);
    snprintf(answer->text, sizeof answer->text, "%s%s%s", text, number ? ": " : "",
             number ? strerror(number) : "");
}
