#include "deliver/remote_single.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sig.h>
#include <skalibs/stralloc.h>
#include <skalibs/tai.h>

#include "deliver/remote_delivery.h"
#include "deliver/remote_fence.h"
#include "deliver/remote_world.h"
#include "lib/checksum.h"
#include "lib/fields.h"

#define PIECE (64u << 10)

/* --- the report --- */

static void write_report(stralloc const *report)
{
    allwrite(1, report->s, report->len); /* whom could a failure be told? */
}

static bool add_report(stralloc *report, char letter, char const *text)
{
    return stralloc_append(report, letter) && stralloc_cats(report, text) &&
           stralloc_append(report, '\n') && stralloc_0(report);
}

void remote_single_report(char letter, char const *text)
{
    stralloc report = STRALLOC_ZERO;
    if (add_report(&report, letter, text))
        write_report(&report);
    stralloc_free(&report);
}

static char letter_of(enum job_result result)
{
    return result == JOB_DELIVERED ? 'r' : result == JOB_FAILED ? 'h' : 's';
}

/* The message report counts for the recipients that were accepted, so one is enough for `K`. */
static bool add_message_report(stralloc *report, struct remote_transaction const *transaction)
{
    char const *text = "5.0.0 no recipient was accepted";
    char letter = 'D';
    for (unsigned int i = 0; i < transaction->count; i++) {
        struct failure const *const failure = &transaction->recipients[i].failure;
        if (failure->result == JOB_DELIVERED)
            return add_report(report, 'K', failure->text);
        if (failure->result != JOB_FAILED && letter == 'D') {
            letter = 'Z';
            text = failure->text;
        }
    }
    return add_report(report, letter, text);
}

static void report_all(void *context, struct remote_transaction const *transaction, bool is_ready)
{
    stralloc report = STRALLOC_ZERO;
    bool good = true;
    (void)context;
    (void)is_ready;
    for (unsigned int i = 0; good && i < transaction->count; i++) {
        struct failure const *const failure = &transaction->recipients[i].failure;
        good = add_report(&report, letter_of(failure->result), failure->text);
    }
    if (good && add_message_report(&report, transaction))
        write_report(&report);
    else
        remote_single_report('Z', "4.3.0 the report found no memory");
    stralloc_free(&report);
}

/* --- the message --- */

static bool is_file(struct remote_message *message)
{
    struct stat status;
    off_t const offset = lseek(0, 0, SEEK_CUR);
    if (offset < 0 || fstat(0, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size < offset)
        return false;
    message->descriptor = 0;
    message->offset = (uint64_t)offset;
    message->length = (uint64_t)(status.st_size - offset);
    return true;
}

/* Copies descriptor 0 to memory: a message is read twice. NULL, or what is to be reported. */
static char const *spool(struct remote_message *message)
{
    char bytes[PIECE];
    ssize_t got;
    message->offset = message->length = 0;
    message->descriptor = memfd_create("message", MFD_CLOEXEC);
    if (message->descriptor < 0)
        return "4.3.0 no room for the message";
    while ((got = fd_read(0, bytes, sizeof bytes)) > 0) {
        message->length += (uint64_t)got;
        if (message->length > REMOTE_SINGLE_MESSAGE_MAX)
            return "4.3.4 the message is too large to come through a pipe";
        if (allwrite(message->descriptor, bytes, (size_t)got) < (size_t)got)
            return "4.3.0 no room for the message";
    }
    return got < 0 ? "4.3.0 the message cannot be read" : NULL;
}

/* The checksum that a queue file brings along. */
static char const *add_sum(struct remote_message *message)
{
    char bytes[PIECE];
    struct checksum sum;
    checksum_start(&sum);
    for (uint64_t done = 0; done < message->length;) {
        uint64_t const left = message->length - done;
        ssize_t const got =
            pread(message->descriptor, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes,
                  (off_t)(message->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return "4.3.0 the message cannot be read";
        checksum_add(&sum, bytes, (size_t)got);
        done += (uint64_t)got;
    }
    message->sum = checksum_end(&sum);
    return NULL;
}

static char const *take_message(struct remote_message *message)
{
    char const *const problem = is_file(message) ? NULL : spool(message);
    return problem ? problem : add_sum(message);
}

/* --- the delivery --- */

static bool is_ascii(char const *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 0x7e)
            return false;
    return true;
}

/* Fills the recipients; true when one of the addresses, or the sender, needs SMTPUTF8. */
static bool take_recipients(struct remote_transaction *transaction, char const *const *addresses)
{
    bool utf8 = !is_ascii(transaction->sender);
    for (unsigned int i = 0; i < transaction->count; i++) {
        transaction->recipients[i].address = addresses[i];
        utf8 = utf8 || !is_ascii(addresses[i]);
    }
    return utf8;
}

void remote_single_run(struct remote_settings *settings, struct remote_ways const *ways,
                       int tls_service, char const *sender, char const *const *recipients)
{
    struct remote_world world;
    struct remote_ourselves ourselves;
    struct remote_transaction transaction = {.sender = sender, .count = 0};
    while (recipients[transaction.count])
        transaction.count++;
    transaction.recipients = calloc(transaction.count, sizeof *transaction.recipients);
    if (!transaction.recipients) {
        remote_single_report('Z', "4.3.0 out of memory");
        return;
    }
    transaction.message.smtputf8 = take_recipients(&transaction, recipients);
    char const *const problem = take_message(&transaction.message);
    if (problem) {
        remote_single_report('Z', problem);
    } else if (!remote_world_start(&world, &ourselves, settings)) {
        remote_single_report('Z', "4.3.0 the addresses of this host cannot be read");
    } else {
        struct remote_delivery const delivery = {.settings = settings,
                                                 .world = &world,
                                                 .ways = ways,
                                                 .tls_service = tls_service,
                                                 .report = report_all};
        sig_ignore(SIGPIPE);
        tain_now_set_stopwatch_g();
        remote_fence_enter(ways->socket);
        remote_delivery_run(&delivery, &transaction);
        remote_ourselves_free(&ourselves);
    }
    free(transaction.recipients);
}
