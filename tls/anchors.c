#include "tls/anchors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base64.h"
#include "lib/log.h"

#define DASHES         "-----"
#define BEGIN          DASHES "BEGIN CERTIFICATE" DASHES
#define END            DASHES "END CERTIFICATE" DASHES
#define SUBJECT_MAX    4096 /* octets of a distinguished name */
#define RSA_OCTETS_MAX 512  /* 4096 bits: BearSSL verifies no longer signature */

/* --- the file --- */

static void set_problem(struct anchors *anchors, char const *what)
{
    char const *const path = anchors->path ? anchors->path : "";
    snprintf(anchors->problem, sizeof anchors->problem, "no authorities to verify with: %s%s%s",
             path, *path ? ": " : "", what);
}

static bool is_path(char const *text, size_t length)
{
    return length > 1 && text[0] == '/' && !memchr(text, 0, length);
}

char *anchors_path(struct control const *control, struct control_error *error)
{
    struct control_error ignored;
    stralloc value = STRALLOC_ZERO;
    char *path = NULL;
    if (!error)
        error = &ignored;
    enum control_result const result =
        control_first(control, ANCHORS_CONTROL, &value, is_path, "the path of a PEM file", error);
    if (result != CONTROL_ERROR) {
        path = result == CONTROL_OK ? strndup(value.s, value.len) : strdup(ANCHORS_DEFAULT);
        if (!path)
            control_problem(control, ANCHORS_CONTROL, error, "out of memory");
    }
    stralloc_free(&value);
    return path;
}

/* Reads all of DESCRIPTOR, whose file may grow meanwhile. Returns 0 or what is wrong. */
static char const *read_bundle(struct anchors *anchors, int descriptor)
{
    struct stat about;
    if (fstat(descriptor, &about) != 0)
        return strerror(errno);
    if (!S_ISREG(about.st_mode))
        return "not a file";
    if (about.st_size <= 0)
        return "the file is empty";
    if (about.st_size > ANCHORS_BUNDLE_MAX)
        return "larger than 16 MiB";
    size_t const size = (size_t)about.st_size;
    anchors->bundle = malloc(size);
    if (!anchors->bundle)
        return "out of memory";
    while (anchors->length < size) {
        ssize_t const count =
            read(descriptor, anchors->bundle + anchors->length, size - anchors->length);
        if (count < 0 && errno != EINTR)
            return strerror(errno);
        if (count == 0)
            break;
        if (count > 0)
            anchors->length += (size_t)count;
    }
    return NULL;
}

static void forget_bundle(struct anchors *anchors)
{
    free(anchors->bundle);
    anchors->bundle = NULL;
    anchors->length = anchors->position = 0;
}

void anchors_read(struct anchors *anchors, struct control const *control)
{
    struct control_error error;
    memset(anchors, 0, sizeof *anchors);
    anchors->path = anchors_path(control, &error);
    if (!anchors->path)
        set_problem(anchors, error.text);
    else {
        /* Not blocking: it might be a FIFO by mistake. */
        int const descriptor = open(anchors->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        char const *const wrong =
            descriptor < 0 ? strerror(errno) : read_bundle(anchors, descriptor);
        if (descriptor >= 0)
            close(descriptor);
        if (wrong) {
            set_problem(anchors, wrong);
            forget_bundle(anchors);
        }
    }
    if (anchors->problem[0])
        log_failure("tls-anchors-unusable", anchors->problem, 0);
}

/* --- a certificate --- */

struct subject {
    unsigned char bytes[SUBJECT_MAX];
    size_t length; /* may be beyond SUBJECT_MAX: then it did not fit */
};

static void append_subject(void *context, void const *bytes, size_t length)
{
    struct subject *const subject = context;
    if (subject->length <= SUBJECT_MAX && length <= SUBJECT_MAX - subject->length)
        memcpy(subject->bytes + subject->length, bytes, length);
    else
        length = SUBJECT_MAX + 1 - (subject->length > SUBJECT_MAX ? SUBJECT_MAX : subject->length);
    subject->length += length;
}

static unsigned char *copy(unsigned char const *bytes, size_t length)
{
    unsigned char *const result = malloc(length ? length : 1);
    if (result)
        memcpy(result, bytes, length);
    return result;
}

static void free_anchor(br_x509_trust_anchor *anchor)
{
    free(anchor->dn.data);
    if (anchor->pkey.key_type == BR_KEYTYPE_RSA) {
        free(anchor->pkey.key.rsa.n);
        free(anchor->pkey.key.rsa.e);
    } else {
        free(anchor->pkey.key.ec.q);
    }
}

static bool copy_key(br_x509_pkey *target, br_x509_pkey const *source)
{
    *target = *source;
    if (source->key_type == BR_KEYTYPE_RSA) {
        target->key.rsa.n = copy(source->key.rsa.n, source->key.rsa.nlen);
        target->key.rsa.e = copy(source->key.rsa.e, source->key.rsa.elen);
        return target->key.rsa.n && target->key.rsa.e;
    }
    target->key.ec.q = copy(source->key.ec.q, source->key.ec.qlen);
    return target->key.ec.q != NULL;
}

/* Makes an anchor of the certificate DER. Returns 0 or what is wrong. */
static char const *decode(br_x509_trust_anchor *anchor, unsigned char const *der, size_t length)
{
    struct subject subject = {.length = 0};
    br_x509_decoder_context decoder;
    br_x509_decoder_init(&decoder, append_subject, &subject);
    br_x509_decoder_push(&decoder, der, length);
    br_x509_pkey const *const key = br_x509_decoder_get_pkey(&decoder);
    if (!key)
        return "not a certificate, or one with a key of an unknown kind";
    if (subject.length > SUBJECT_MAX)
        return "a subject of more than 4096 octets";
    if (key->key_type == BR_KEYTYPE_RSA && key->key.rsa.nlen > RSA_OCTETS_MAX)
        return "an RSA key of more than 4096 bits";
    *anchor = (br_x509_trust_anchor){
        .dn = {.data = copy(subject.bytes, subject.length), .len = subject.length},
        .flags = br_x509_decoder_isCA(&decoder) ? BR_X509_TA_CA : 0};
    if (!copy_key(&anchor->pkey, key) || !anchor->dn.data) {
        free_anchor(anchor);
        return "out of memory";
    }
    return NULL;
}

/* Decodes base64 in lines: whatever is no letter of it (line ends, blanks) is left out. */
static char const *decode_text(br_x509_trust_anchor *anchor, char *text, size_t length)
{
    size_t kept = 0, der_length;
    if (length > ANCHORS_CERTIFICATE_MAX)
        return "longer than 64 KiB";
    for (size_t i = 0; i < length; i++)
        if (!memchr(" \t\r\n", text[i], 4))
            text[kept++] = text[i];
    /* In place: three octets are written once four letters were read. */
    if (!base64_decode((unsigned char *)text, &der_length, text, kept))
        return "not base64";
    return decode(anchor, (unsigned char *)text, der_length);
}

static char const *add(struct anchors *anchors, char *text, size_t length)
{
    if (anchors->count == ANCHORS_MAX)
        return "more than 4096 certificates";
    /* Room for a power of two at a time. */
    if ((anchors->count & (anchors->count - 1)) == 0) {
        size_t const room = anchors->count ? 2 * anchors->count : 1;
        br_x509_trust_anchor *const list = reallocarray(anchors->list, room, sizeof *list);
        if (!list)
            return "out of memory";
        anchors->list = list;
    }
    char const *const wrong = decode_text(&anchors->list[anchors->count], text, length);
    if (!wrong)
        anchors->count++;
    return wrong;
}

/* --- the bundle --- */

bool anchors_are_waiting(struct anchors const *anchors)
{
    return anchors->bundle != NULL;
}

static void log_skipped(struct anchors const *anchors, char const *why)
{
    struct log_line line;
    log_begin(&line, "tls-anchor-skipped");
    log_text(&line, "file", anchors->path);
    log_number(&line, "certificate", anchors->number);
    log_text(&line, "reason", why);
    log_write(&line);
}

static void finish(struct anchors *anchors, bool log)
{
    forget_bundle(anchors);
    if (!anchors->count)
        set_problem(anchors, anchors->skipped ? "no certificate in it can be used"
                                              : "there is no PEM certificate in it");
    if (!log)
        return;
    struct log_line line;
    log_begin(&line, anchors->count ? "tls-anchors-loaded" : "tls-anchors-unusable");
    log_text(&line, "file", anchors->path);
    log_number(&line, "certificates", anchors->count);
    log_number(&line, "skipped", anchors->skipped);
    log_write(&line);
}

void anchors_decode_next(struct anchors *anchors, bool log)
{
    if (!anchors->bundle)
        return;
    char *const rest = anchors->bundle + anchors->position;
    char *const end = anchors->bundle + anchors->length;
    char *const begin = memmem(rest, (size_t)(end - rest), BEGIN, strlen(BEGIN));
    if (!begin) {
        finish(anchors, log);
        return;
    }
    char *const text = begin + strlen(BEGIN);
    /* The next line of dashes must be its end: one that has none does not swallow what follows. */
    char *const dashes = memmem(text, (size_t)(end - text), DASHES, strlen(DASHES));
    char *const stop = dashes ? dashes : end;
    bool const ended = (size_t)(end - stop) >= strlen(END) && !memcmp(stop, END, strlen(END));
    anchors->number++;
    char const *const wrong = ended ? add(anchors, text, (size_t)(stop - text)) : "it has no end";
    anchors->position = (size_t)(stop - anchors->bundle);
    if (wrong) {
        anchors->skipped++;
        if (log)
            log_skipped(anchors, wrong);
    }
}

char const *anchors_problem(struct anchors const *anchors)
{
    return anchors->count ? NULL : anchors->problem;
}

void anchors_free(struct anchors *anchors)
{
    for (size_t i = 0; i < anchors->count; i++)
        free_anchor(&anchors->list[i]);
    free(anchors->list);
    free(anchors->path);
    free(anchors->bundle);
    memset(anchors, 0, sizeof *anchors);
}
