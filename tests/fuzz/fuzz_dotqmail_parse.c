/* .qmail files: no byte is read or written outside, each text ends where its line does, and a file
 * without its faults is the same file again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/dotqmail_parse.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length);

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t length)
{
    if (!length)
        return 0;
    size_t const size = length - 1;
    char *const content = malloc(size + 1);
    struct dotqmail_parser parser;
    struct dotqmail_instruction instruction;
    enum dotqmail_parse result;
    if (!content)
        abort();
    if (size)
        memcpy(content, bytes + 1, size);
    bool const forward_only = bytes[0] & 1;
    bool listed = forward_only;
    unsigned int line = 0;
    dotqmail_parse_start(&parser, content, size, forward_only);
    while ((result = dotqmail_parse_next(&parser, &instruction)) == DOTQMAIL_INSTRUCTION) {
        size_t const text = strlen(instruction.text);
        if (instruction.text < content || instruction.text + text > content + size)
            abort();
        if (memchr(instruction.text, '\n', text) || parser.line <= line)
            abort();
        line = parser.line;
        if (listed && instruction.kind != DOTQMAIL_FORWARD)
            abort();
        listed = parser.forward_only;
        if (instruction.kind == DOTQMAIL_FORWARD && (!text || strpbrk(instruction.text, " <>\t")))
            abort();
        if (instruction.kind == DOTQMAIL_MAILDIR && instruction.text[text - 1] != '/')
            abort();
    }
    if (!dotqmail_parse_explain(result))
        abort();
    if (result == DOTQMAIL_END && parser.next != content + size)
        abort();
    free(content);
    return 0;
}
