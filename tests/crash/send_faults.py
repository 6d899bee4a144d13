"""ekiden-send and its agents under faults: what is in the queue arrives, whatever happens, and of
what cannot arrive the sender is told.

Each run starts ekiden-send under strace with two messages queued, and ends when these are gone,
put off, or ekiden-send has died; an undisturbed run follows. The fault hits every process that
makes the call often enough.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections import Counter

from faults import KINDS, environment, faults_of, points_of, tracer
from instance import PATIENCE, processes_of_session, wait_for
from ledger import TOKEN
from queue_faults import ENVELOPE, requeue, run_queue

MESSAGES = 2
PATIENCE_WITH_ERRORS = 3  # what an error leaves in new/ is tried again only after minutes
SLOT_SECONDS = 64  # QUEUE_SLOT_SECONDS in queue_layout.h
SLOTS_BEHIND = 3
COPIES_MAX = 2  # an answer or a mark can be lost
MESSAGE_ID = re.compile(rb"^Message-ID: <([^>\n]+)>", re.M | re.I)
# Alice writes to Bob and to somebody who is not there: Bob gets it, and she gets a report.
FAILING = b"Falice@demo.example\0Tnobody@demo.example\0Tbob@demo.example\0"


def is_over(instance, process):
    if process.poll() is not None:
        return True
    return not os.listdir(instance.queue / "new")


def set_back_cursor(instance):
    """Has the next scheduler begin some slots behind the clock, wherever the last one ended: it
    reads them in its first turn, and then writes the cursor. So that write comes from the work, in
    each run once, and not from the time that has passed since the run before."""
    cursor = instance.queue / "wheel" / "cursor"
    slot = int(time.time()) // SLOT_SECONDS - SLOTS_BEHIND
    cursor.write_bytes(b"%020d\n" % (slot * SLOT_SECONDS))
    instance.give_away(cursor)


def send_signal(processes, number):
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def end(process):
    """Ends ekiden-send, and with it strace, which takes no signal itself. Waits for all."""

    def running():
        """What has SIGTERM to get; True when there is nobody any more."""
        found = [one for one in processes_of_session(process.pid) if one.comm == "ekiden-send"]
        return found or process.poll() is not None

    # A run without mail to deliver is over before the program is there.
    sent = wait_for(running, what="the start of ekiden-send")
    if sent is not True:
        send_signal(sent, signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        send_signal(processes_of_session(process.pid), signal.SIGKILL)
        raise AssertionError("ekiden-send did not end on SIGTERM") from None


def run_send(instance, *options, sandbox=False, traced=True, patience=PATIENCE):
    """One run of ekiden-send, under strace if TRACED. Returns the trace."""
    set_back_cursor(instance)
    trace = instance.folder / "fault.trace"
    user = instance.user[0] if instance.user else None
    arguments = ["-C", instance.control, "-Q", instance.queue, "-M", instance.folder / "mail"]
    command = instance.command("ekiden-send", *arguments)
    if traced:
        program = [instance.programs / "ekiden-send", *arguments]
        command = [*tracer(trace, *options, user=user), *program]
    with open(instance.log_path, "ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=environment(sandbox),
            start_new_session=True,
        )
    deadline = time.monotonic() + patience
    while not is_over(instance, process) and time.monotonic() < deadline:
        time.sleep(0.005)
    end(process)
    wait_for(lambda: not processes_of_session(process.pid), what="the end of ekiden-send")
    return trace.read_text(errors="replace")


def queue_messages(instance, ledger, label, size, most, envelope=ENVELOPE):
    for number in range(MESSAGES):
        token, body = ledger.message(f"ekiden-send: {label}, message {number}", size)
        ledger.expect(token, 1, most)
        code, _ = run_queue(instance, body, traced=False, envelope=envelope)
        assert code == 0, f"ekiden-queue: exit {code}"


def sweep(instance, ledger, kinds=KINDS, size=300, sandbox=False, calls=None, envelope=ENVELOPE):
    """Every fault of KINDS, at the system calls CALLS only if given. Returns (number of faults,
    those that did not come about); queue_faults.settle judges, settle_reports with the envelope
    FAILING."""
    for label in ("first run", "clean run"):
        queue_messages(instance, ledger, label, size, 1, envelope)
        trace = run_send(instance, sandbox=sandbox)
        assert not instance.queue_files(), f"not delivered without a fault:\n{trace[-3000:]}"
    points = [point for point in points_of(trace) if not calls or point.call in calls]
    faults, missed = faults_of(points, kinds), []
    for fault in faults:
        queue_messages(instance, ledger, fault, size, COPIES_MAX, envelope)
        patience = PATIENCE if fault.kind == "KILL" else PATIENCE_WITH_ERRORS
        trace = run_send(instance, fault.option(), sandbox=sandbox, patience=patience)
        if not fault.happened(trace):
            missed.append(str(fault))
        requeue(instance)
        run_send(instance, traced=False)
    return len(faults), missed


def settle_reports(instance, ledger, errors=False):
    """Starts the server, waits until everybody was served or told, stops it. Returns what is
    wrong: Bob has each message, and Alice a report of each; after a fault there may be a second
    one, and each may have come twice, since a report is a message like others. No notes are left, but where ERRORS hit their
    removal."""

    def reports():
        """token -> Message-ID of a report -> how many copies."""
        counts = {token: Counter() for token in ledger.entries}
        for report in instance.mailbox("alice"):
            name, found = MESSAGE_ID.search(report), TOKEN.search(report)
            if found and name and b"Content-Type: multipart/report" in report:
                counts[found.group(1)][name.group(1)] += 1
        return counts

    requeue(instance)
    instance.start()
    try:
        wait_for(
            lambda: all(reports().values()) and not ledger.missing(instance.mailbox("bob")),
            instance.patience,
            "mail and reports",
        )
        instance.wait_for_empty_queue(unfinished=True)
        wrong = []
    except AssertionError as error:
        wrong = [str(error)]
    finally:
        instance.stop()
    wrong += ledger.violations(instance.mailbox("bob"), "bob")
    for token, copies in reports().items():
        entry = ledger.entries[token]
        if not 1 <= len(copies) <= entry.most or max(copies.values()) > entry.most:
            wrong.append(f"reports and their copies: {copies}, {entry.label}")
    left = [] if errors else os.listdir(instance.queue / "notes")
    return wrong + ([f"notes are left: {left}"] if left else [])
