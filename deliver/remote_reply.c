#include "deliver/remote_reply.h"

#include <string.h>

enum class { OTHER, FIRST, DIGIT, DASH, BLANK, CR, LF, CLASSES };

enum state { BAD, CODE_1, CODE_2, CODE_3, AFTER_CODE, CODE_CR, TEXT, ENDED, STATES };

static unsigned char const class_of[256] = {
    ['0' ... '1'] = DIGIT, ['2' ... '5'] = FIRST, ['6' ... '9'] = DIGIT, ['-'] = DASH,
    [' '] = BLANK,         ['\t'] = BLANK,        ['\r'] = CR,           ['\n'] = LF,
};

/* What is not named is BAD. */
static unsigned char const next_state[STATES][CLASSES] = {
    [CODE_1] = {[FIRST] = CODE_2},
    [CODE_2] = {[FIRST... DIGIT] = CODE_3},
    [CODE_3] = {[FIRST... DIGIT] = AFTER_CODE},
    [AFTER_CODE] = {[DASH... BLANK] = TEXT, [CR] = CODE_CR, [LF] = ENDED},
    [CODE_CR] = {[LF] = ENDED},
    [TEXT] = {[OTHER... CR] = TEXT, [LF] = ENDED},
};

static void line_start(struct remote_reply *reply)
{
    reply->state = CODE_1;
    reply->last = true;
    reply->after_cr = false;
    reply->line_code = 0;
    reply->line_octets = 0;
    reply->line_length = 0;
    reply->line[0] = 0;
}

void remote_reply_start(struct remote_reply *reply)
{
    reply->code = 0;
    reply->enhanced[0] = 0;
    reply->text[0] = 0;
    reply->text_length = 0;
    reply->lines = 0;
    reply->octets = 0;
    line_start(reply);
}

static void keep(struct remote_reply *reply, char byte)
{
    if (reply->line_length == REMOTE_REPLY_KEPT_MAX)
        return;
    reply->line[reply->line_length++] = (char)(byte >= ' ' && byte <= '~' ? byte : '?');
    reply->line[reply->line_length] = 0;
}

/* Takes one byte. False when the line is none: bad form, or too much of it. */
static bool take_byte(struct remote_reply *reply, char byte)
{
    unsigned char const before = reply->state;
    reply->state = next_state[before][class_of[(unsigned char)byte]];
    if (++reply->line_octets > REMOTE_REPLY_LINE_MAX || ++reply->octets > REMOTE_REPLY_OCTETS_MAX)
        reply->state = BAD;
    if (reply->after_cr && reply->state != ENDED) /* a CR inside of the line */
        keep(reply, '\r');
    reply->after_cr = byte == '\r';
    if (!reply->after_cr && byte != '\n')
        keep(reply, byte == '\t' ? ' ' : byte);
    if (reply->state == BAD)
        return false;
    if (before <= CODE_3)
        reply->line_code = 10 * reply->line_code + (unsigned int)(byte - '0');
    if (before == AFTER_CODE)
        reply->last = byte != '-';
    return true;
}

static size_t digits(char const *text)
{
    return strspn(text, "0123456789");
}

/* The length of the enhanced code at TEXT, 0 when there is none: class "." 1*3digit "." 1*3digit,
 * then a blank or the end. */
static size_t enhanced_length(char const *text, unsigned int class)
{
    if (text[0] != (char)('0' + class) || text[1] != '.')
        return 0;
    size_t const subject = digits(text + 2);
    if (subject < 1 || subject > 3 || text[2 + subject] != '.')
        return 0;
    size_t const detail = digits(text + 3 + subject);
    size_t const length = 3 + subject + detail;
    return detail >= 1 && detail <= 3 && (text[length] == ' ' || !text[length]) ? length : 0;
}

/* Adds the line to the text. The enhanced code, which servers repeat on each line, stands in it
 * only once. */
static void add_text(struct remote_reply *reply)
{
    char const *text = remote_reply_line_text(reply);
    size_t const code = enhanced_length(text, reply->code / 100);
    if (reply->lines == 1) {
        memcpy(reply->enhanced, text, code);
        reply->enhanced[code] = 0;
    } else if (code && strncmp(reply->enhanced, text, code) == 0 && !reply->enhanced[code]) {
        text += code + (text[code] == ' ');
    }
    if (*text && reply->text_length && reply->text_length < JOB_TEXT_MAX)
        reply->text[reply->text_length++] = ' ';
    size_t const length = strnlen(text, JOB_TEXT_MAX - reply->text_length);
    memcpy(reply->text + reply->text_length, text, length);
    reply->text_length += length;
    reply->text[reply->text_length] = 0;
}

enum remote_reply_state remote_reply_take(struct remote_reply *reply, char const *bytes,
                                          size_t length, size_t *used)
{
    if (reply->state == ENDED)
        line_start(reply);
    for (size_t i = 0; i < length; i++) {
        *used = i + 1;
        if (!take_byte(reply, bytes[i])) {
            for (; *used < length && bytes[*used - 1] != '\n'; ++*used) /* for who reads of it */
                if (bytes[*used] != '\r' && bytes[*used] != '\n')
                    keep(reply, bytes[*used]);
            return REMOTE_REPLY_BAD;
        }
        if (reply->state != ENDED)
            continue;
        if (reply->lines++ == 0)
            reply->code = reply->line_code;
        if (reply->line_code != reply->code ||
            (!reply->last && reply->lines == REMOTE_REPLY_LINES_MAX))
            return REMOTE_REPLY_BAD;
        add_text(reply);
        return reply->last ? REMOTE_REPLY_DONE : REMOTE_REPLY_LINE;
    }
    *used = length;
    return REMOTE_REPLY_MORE;
}

char const *remote_reply_line_text(struct remote_reply const *reply)
{
    return reply->line + (reply->line_length > 3 ? 4 : reply->line_length);
}
