/* Operations on the queue and their answers: whatever parses is made again in the same form. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue_control.h"
#include "queue/send_place.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

static void check_request(char const *bytes, size_t length)
{
    struct queue_request request, again;
    char packet[QUEUE_CONTROL_PACKET_MAX];
    if (!queue_request_parse(&request, bytes, length))
        return;
    if (!queue_request_parse(&again, packet, queue_request_format(packet, &request)) ||
        request.operation != again.operation || request.place != again.place ||
        strcmp(request.id, again.id) != 0)
        abort();
    if (request.place >= QUEUE_SLOTS || request.place < QUEUE_PLACE_UNKNOWN ||
        (*request.id && !queue_file_is_name(request.id)))
        abort();
}

static void check_answer(char const *bytes, size_t length)
{
    struct queue_answer answer, again;
    char packet[QUEUE_CONTROL_PACKET_MAX];
    if (!queue_answer_parse(&answer, bytes, length))
        return;
    if (!queue_answer_parse(&again, packet, queue_answer_format(packet, &answer)) ||
        answer.outcome != again.outcome || strcmp(answer.id, again.id) != 0 ||
        strcmp(answer.text, again.text) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    check_request((char const *)bytes, length);
    check_answer((char const *)bytes, length);
    return 0;
}
