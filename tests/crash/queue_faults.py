"""ekiden-queue under faults: exit 0 means that the message arrives, anything else that it does not.

All runs share one queue: what one of them leaves behind must not harm the next. Afterwards the
scheduler is started, and the mailboxes are compared with the ledger.
"""

import subprocess

from faults import environment, faults_of, last_place, points_of, tracer
from instance import PATIENCE, wait_for

USERS = ("alice", "bob")
ENVELOPE = b"Fsender@elsewhere.example\0" + b"".join(
    b"T%s@demo.example\0" % user.encode() for user in USERS
)


def run_queue(instance, body, *options, sandbox=False, traced=True, envelope=ENVELOPE):
    """One ekiden-queue, under strace if TRACED. Returns its exit code and its trace."""
    message, records = instance.folder / "fault.message", instance.folder / "fault.envelope"
    trace = instance.folder / "fault.trace"
    message.write_bytes(body)
    records.write_bytes(envelope + b"\0")
    trace.write_text("")
    command = instance.command("ekiden-queue", "-Q", instance.queue)
    if traced:
        user = instance.user[0] if instance.user else None
        program = [instance.programs / "ekiden-queue", "-Q", instance.queue]
        command = [*tracer(trace, *options, user=user), *program]
    with open(message, "rb") as zero, open(records, "rb") as one:
        done = subprocess.run(
            command,
            stdin=zero,
            stdout=one,
            stderr=subprocess.DEVNULL,
            env=environment(sandbox),
            timeout=PATIENCE,
        )
    return done.returncode, trace.read_text(errors="replace")


def sweep(instance, ledger, kinds, size, sandbox=False):
    """Every fault of KINDS. Returns (faults, those that did not come about, complaints)."""
    token, body = ledger.message(f"clean run, {size} bytes", size)
    code, trace = run_queue(instance, body, sandbox=sandbox)
    assert code == 0, f"ekiden-queue without a fault: exit {code}\n{trace[-2000:]}"
    points = points_of(trace)
    # Before the end record is written no message can come of it; behind it one may.
    written = last_place(points, "writev")
    faults, missed, wrong = faults_of(points, kinds), [], []
    for fault in faults:
        token, body = ledger.message(f"{fault}, {size} bytes", size)
        code, trace = run_queue(instance, body, fault.option(), sandbox=sandbox)
        if not fault.happened(trace):
            missed.append(str(fault))
        if code == 0 and fault.forbids_success():
            wrong.append(f"{fault}: exit 0 all the same")
        if code == 0:
            ledger.expect(token, 1, 1)
        elif fault.kind == "KILL" and fault.point.place > written:
            ledger.expect(token, 0, 1)
        else:
            ledger.expect(token, 0, 0)
        ledger.entries[token].label += f", exit {code}"
    return len(faults), missed, wrong


def requeue(instance):
    """Puts deferred mail back, as an operator may: nobody waits a minute for the next try."""
    for path in (instance.queue / "wheel").glob("*/*"):
        path.rename(instance.queue / "new" / path.name)


def settle(instance, ledger, users=USERS):
    """Starts the server, waits until it has delivered, stops it. Returns what the ledger misses."""
    if instance.process:
        instance.stop()
    requeue(instance)
    instance.start()
    try:
        wait_for(
            lambda: not any(ledger.missing(instance.mailbox(user)) for user in users),
            instance.patience,
            "acknowledged mail",
        )
        # One more message passes behind all the others: what is left of them is no mail.
        token, body = ledger.message("the last one")
        code, _ = run_queue(instance, body)
        assert code == 0
        wait_for(
            lambda: not any(ledger.missing(instance.mailbox(user)) for user in users),
            instance.patience,
            "the last message",
        )
    except AssertionError as error:
        return [str(error), *check(instance, ledger, users)]
    finally:
        instance.stop()
    return check(instance, ledger, users)


def check(instance, ledger, users=USERS):
    wrong = []
    for user in users:
        wrong += ledger.violations(instance.mailbox(user), user)
    return wrong


