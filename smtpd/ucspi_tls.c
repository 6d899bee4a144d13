#include "smtpd/ucspi_tls.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/fields.h"

/* Byte by byte: the control socket may be the plain side as well, and what follows the strings is
 * the client's. */
bool ucspi_tls_read(struct ucspi_tls_text *text, int control, bool *complete)
{
    char byte;
    ssize_t const got = read(control, &byte, 1);
    *complete = false;
    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    if (got == 0) { /* s6-ucspitlsd closes instead of the last NUL */
        *complete = text->length > 0;
        return *complete;
    }
    if (text->length == UCSPI_TLS_TEXT_MAX)
        return false;
    text->bytes[text->length++] = byte;
    *complete = text->length > 1 && !byte && !text->bytes[text->length - 2];
    return true;
}

/* Copies VALUE, cut and printable, into SIZE bytes. */
static void take(char *target, size_t size, char const *value)
{
    size_t length = 0;
    for (; value[length] && length < size - 1; length++)
        target[length] = (char)(value[length] < 0x20 || value[length] > 0x7e ? '?' : value[length]);
    target[length] = 0;
}

void ucspi_tls_parse(struct tls_answer *answer, struct ucspi_tls_text const *text)
{
    struct {
        char const *name;
        char *target;
        size_t size;
    } const known[] = {
        {"SSL_PROTOCOL=", answer->version, sizeof answer->version},
        {"SSL_CIPHER=", answer->suite, sizeof answer->suite},
        {"SSL_TLS_SNI=", answer->name, sizeof answer->name}, /* mod_ssl, ucspi-ssl, ekiden-tls */
        {"SSL_TLS_SNI_SERVERNAME=", answer->name, sizeof answer->name}, /* s6-ucspitlsd */
    };
    char const *bytes = text->bytes, *field;
    size_t length = text->length;
    while ((field = fields_next(&bytes, &length)))
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            size_t const size = strlen(known[i].name);
            if (strncmp(field, known[i].name, size) == 0)
                take(known[i].target, known[i].size, field + size);
        }
}
