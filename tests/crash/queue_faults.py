"""ekiden-queue under faults: exit 0 means that the message arrives, anything else that it does not.

All runs share one queue: what one of them leaves behind must not harm the next. Afterwards the
scheduler is started, and the mailboxes are compared with the ledger.
"""

import os
import subprocess
import time
from pathlib import Path

from faults import Subject, Trace, environment, run, tracer
from instance import PATIENCE, wait_for
from rows import Broken

USERS = ("alice", "bob")
ENVELOPE = b"Fsender@elsewhere.example\0" + b"".join(
    b"T%s@demo.example\0" % user.encode() for user in USERS
)
PERMANENT = range(11, 41)  # exit codes of qmail-queue by which a sender is refused for good
GARBAGE_SECONDS = 36 * 3600  # SEND_GARBAGE_SECONDS in queue/send.h
SLOT_SECONDS, SLOTS = 64, 512  # QUEUE_SLOT_SECONDS, QUEUE_SLOTS in queue/queue_layout.h


def run_queue(instance, body, fault=None, sandbox=True, traced=True, envelope=ENVELOPE):
    """One ekiden-queue, under `fault` if TRACED. Returns its exit code (None: it hung) and its
    trace."""
    message, records = instance.folder / "fault.message", instance.folder / "fault.envelope"
    path = instance.folder / "fault.trace"
    message.write_bytes(body)
    records.write_bytes(envelope + b"\0")
    command = instance.command("ekiden-queue", "-Q", instance.queue)
    if traced:
        user = instance.user[0] if instance.user else None
        program = [instance.programs / "ekiden-queue", "-Q", instance.queue]
        command = [*tracer(path, fault, user), *program]
    with open(message, "rb") as zero, open(records, "rb") as one:
        code = run(command, PATIENCE, stdin=zero, stdout=one, stderr=subprocess.DEVNULL,
                   env=environment(sandbox))
    return code, Trace(path).read() if traced else None


class Queue(Subject):
    single = True

    def __init__(self, instance, ledger, size, sandbox=True):
        self.instance, self.ledger, self.size, self.sandbox = instance, ledger, size, sandbox
        self.name = f"ekiden-queue, {size} bytes"
        self.committing = 0  # the number of the call that writes the end record

    def attempt(self, fault):
        token, body = self.ledger.message("", self.size)
        code, trace = run_queue(self.instance, body, fault, self.sandbox)
        self.ledger.entries[token].label = f"{self.name}: {trace}, exit {code}"
        if fault is None:
            assert code == 0, f"ekiden-queue without a fault: exit {code}"
            self.committing = max(p.number for p in trace.points if p.call == "writev")
        # Before the end record is written no message can come of it; behind it one may.
        self.ledger.expect(token, *((1, 1) if code == 0 else (0, int(self.may_come(trace)))))
        return trace, self.judge(code, trace)

    def may_come(self, trace):
        if not trace.killed:
            return False
        return trace.struck.number + (trace.kind == "kill-after") > self.committing

    def judge(self, code, trace):
        if code is None:
            return [Broken("hung", f"{self.name}: {trace}")]
        if code == 0 and trace.forbids_success():
            return [Broken("lost", f"{self.name}: {trace}: exit 0 all the same")]
        if code in PERMANENT:
            return [Broken("lost", f"{self.name}: {trace}: exit {code} refuses for good")]
        return []

    def settle(self):
        return settle(self.instance, self.ledger)


# --- afterwards ---


def let_time_pass(instance):
    """What waits in the wheel is due: as if its time had come."""
    slot = int(time.time()) // SLOT_SECONDS - 1
    due = instance.queue / "wheel" / f"{slot % SLOTS:03}"
    for path in (instance.queue / "wheel").glob("*/*"):
        if not due.is_dir():
            due.mkdir(mode=0o770)
            instance.give_away(due)
        path.rename(due / path.name)
    set_back_cursor(instance, slot - 1)


def set_back_cursor(instance, slot):
    """Has the next scheduler begin at SLOT, wherever the last one ended: it reads some slots in its
    first turn, and then writes the cursor. So that write comes from the work, in each run once, and
    not from the time that has passed since the run before."""
    cursor = instance.queue / "wheel" / "cursor"
    cursor.write_bytes(b"%020d\n" % (slot * SLOT_SECONDS))
    if instance.mode == "unprivileged":
        instance.give_away(cursor)


def age(instance):
    """What was never finished is old enough to be collected."""
    old = time.time() - GARBAGE_SECONDS - 3600
    for path in (instance.queue / "new").iterdir():
        os.utime(path, (old, old))


def settle(instance, ledger, users=USERS, leftovers=True):
    """Starts the server, waits until it has delivered, stops it. Returns what the ledger misses,
    and with LEFTOVERS also what is in the queue for good."""
    if instance.process:
        instance.stop()
    let_time_pass(instance)
    instance.start()
    wrong = []
    try:
        instance.wait_for_empty_queue(unfinished=True)
    except AssertionError as error:
        wrong.append(Broken("hung", f"accepted mail stays: {error}"))
    instance.stop()
    wrong += check(instance, ledger, users)
    return wrong + (find_leftovers(instance) if leftovers else [])


def check(instance, ledger, users=USERS):
    return [text for user in users for text in ledger.violations(instance.mailbox(user), user)]


def find_leftovers(instance):
    """What crashes left is collected once it is old, with nobody's help."""
    age(instance)
    instance.start()
    try:
        wait_for(lambda: not left(instance), instance.patience, "no leftovers")
    except AssertionError:
        return [Broken("other", f"left in the queue: {left(instance)}")]
    finally:
        instance.stop()
    return []


def left(instance):
    return [str(path.relative_to(instance.queue)) for folder in ("new", "notes", "bad", "hold")
            for path in Path(instance.queue / folder).iterdir()]
