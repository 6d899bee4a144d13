"""ekiden-send and its ekiden-local under faults: what is in the queue arrives, whatever happens.

Each run starts ekiden-send under strace with two messages queued, and ends when these are gone,
put off, or ekiden-send has died. The fault hits every process that makes the call often enough.
"""

import signal
import subprocess
import time

from faults import KINDS, environment, faults_of, points_of, tracer
from instance import processes_of_session, wait_for
from queue_faults import run_queue

MESSAGES = 2
PATIENCE = 3
COPIES_MAX = 3  # an answer or a mark can be lost in this run and in one before it


def is_over(instance, process):
    if process.poll() is not None:
        return True
    return not any(path.parent.name == "new" for path in instance.queue_files())


def run_send(instance, *options, sandbox=False):
    """One run of ekiden-send. Returns the trace."""
    trace = instance.folder / "fault.trace"
    user = instance.user[0] if instance.user else None
    program = [instance.programs / "ekiden-send", "-C", instance.control, "-Q", instance.queue]
    program += ["-M", instance.folder / "mail"]
    with open(instance.log_path, "ab") as log:
        process = subprocess.Popen(
            [*tracer(trace, *options, user=user), *program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=environment(sandbox),
            start_new_session=True,
        )
    deadline = time.monotonic() + PATIENCE
    while not is_over(instance, process) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)  # strace passes it on
    process.wait()
    wait_for(lambda: not processes_of_session(process.pid), what="the end of ekiden-send")
    return trace.read_text(errors="replace")


def queue_messages(instance, ledger, label, size, most):
    for number in range(MESSAGES):
        token, body = ledger.message(f"ekiden-send: {label}, message {number}", size)
        ledger.expect(token, 1, most)
        code, _ = run_queue(instance, body, traced=False)
        assert code == 0, f"ekiden-queue: exit {code}"


def sweep(instance, ledger, kinds=KINDS, size=300, sandbox=False):
    """Returns (number of faults, those that did not come about). queue_faults.settle judges."""
    for label in ("first run", "clean run"):
        queue_messages(instance, ledger, label, size, 1)
        trace = run_send(instance, sandbox=sandbox)
        assert not instance.queue_files(), f"not delivered without a fault:\n{trace[-3000:]}"
    faults, missed = faults_of(points_of(trace), kinds), []
    for fault in faults:
        queue_messages(instance, ledger, fault, size, COPIES_MAX)
        trace = run_send(instance, fault.option(), sandbox=sandbox)
        if not fault.happened(trace):
            missed.append(str(fault))
    return len(faults), missed
