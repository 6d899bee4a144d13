/* Command lines of any bytes: parsed within bounds; no domain is accepted that is none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/command.h"

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(uint8_t const *bytes, size_t size)
{
    struct command command;
    struct command_mail mail;
    struct command_chunk chunk;
    struct command_rcpt rcpt;
    if (size == 0)
        return 0;
    bool extended = bytes[0] & 1, smtputf8 = bytes[0] & 2;
    size_t length = size - 1;
    char *line = malloc(size);
    check(line != 0);
    memcpy(line, bytes + 1, length);

    check(command_limit(line, length) >= 512);
    command_parse(&command, line, length);
    check(command.name <= COMMAND_UNKNOWN);
    check(command.argument >= line && command.argument + command.length <= line + length);
    if (command_parse_mail(&mail, command.argument, command.length, extended) == COMMAND_OK) {
        check(extended || (mail.size == 0 && !mail.body_8bit && !mail.smtputf8));
        check(!mail.sender.utf8 || mail.smtputf8);
        check(strlen(mail.sender.bytes) == mail.sender.length);
        check(!mail.envid || dsn_is_envid(mail.envid, mail.envid_length));
        check(extended || !mail.dsn);
    }
    if (command_parse_bdat(&chunk, command.argument, command.length) == COMMAND_OK)
        check(chunk.size <= INT64_MAX && command.argument[0] >= '0' && command.argument[0] <= '9');
    if (command_parse_rcpt(&rcpt, command.argument, command.length, extended, smtputf8) ==
        COMMAND_OK) {
        check(!rcpt.recipient.utf8 || (extended && smtputf8));
        check(strlen(rcpt.recipient.bytes) == rcpt.recipient.length);
        check(!rcpt.orcpt || dsn_is_orcpt(rcpt.orcpt, rcpt.orcpt_length));
        check(extended || !rcpt.dsn);
    }
    free(line);
    return 0;
}
