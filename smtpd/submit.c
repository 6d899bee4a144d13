#include "smtpd/submit.h"

void submit_start(struct submit *submit, struct connection const *connection)
{
    submit->connection = connection;
    submit->way = connection->settings->queueprogram ? &submit_program : &submit_injector;
    submit->open = submit->failed = false;
    submit->id[0] = submit->text[0] = 0;
    submit->program.message = submit->program.envelope = -1;
    submit->program.custom = submit->program.exited = -1;
    submit->program.pending = (stralloc)STRALLOC_ZERO;
    submit->injector.session = -1;
    submit->injector.next[0] = 0;
    submit->injector.bits = 0;
    submit->injector.gathered = 0;
}

bool submit_keeps_dsn(struct submit const *submit)
{
    return submit->way == &submit_injector;
}

void submit_prepare(struct submit *submit)
{
    submit->way->prepare(submit);
}

void submit_open(struct submit *submit, bool body_8bit, bool smtputf8)
{
    submit->open = true;
    submit->failed = false;
    submit->id[0] = submit->text[0] = 0;
    submit->way->open(submit, body_8bit, smtputf8);
}

void submit_envelope(struct submit *submit, char const *bytes, size_t length)
{
    submit->way->envelope(submit, bytes, length);
}

void submit_message(struct submit *submit, char const *bytes, size_t length)
{
    submit->way->message(submit, bytes, length);
}

void submit_flush(struct submit *submit)
{
    if (submit->open)
        submit->way->flush(submit);
}

enum queue_status submit_commit(struct submit *submit)
{
    submit->open = false;
    return submit->way->commit(submit);
}

void submit_abort(struct submit *submit)
{
    if (!submit->open)
        return;
    submit->open = false;
    submit->way->abort(submit);
}

void submit_end(struct submit *submit)
{
    submit_abort(submit);
    submit->way->end(submit);
}
