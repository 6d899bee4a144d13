"""A running server under faults: strace is attached to one of its processes. Needs root.

smtp_sweep: the injectors of ekiden-smtpd, while a client sends two messages in one session. A 250 is
a promise. send_sweep: ekiden-send or its ekiden-local, while ekiden-queue brings messages.
"""

import time

from faults import KINDS, Attached, faults_of, points_of
from instance import SENDER, wait_for
from queue_faults import USERS, run_queue
from smtp_client import Closed, to_wire

RECIPIENTS = [f"{user}@demo.example" for user in USERS]
MESSAGES = 2
REMARK = 2  # copies that may come when a mark or an answer was lost


def role(instance, name):
    """The first process of that name, once it is there."""
    return wait_for(lambda: instance.processes().get(name), what=f"a process {name}")[0].pid


def ensure_running(instance):
    """Starts the server again where the fault ended it."""
    if instance.process.poll() is not None:
        instance.expected_signals = True
        instance.kill()
        instance.start()


def send_messages(instance, bodies):
    """One session. Returns the reply code of each message: 0 where none came."""
    codes = [0] * len(bodies)
    try:
        with instance.connect() as client:
            client.greet()
            for index, body in enumerate(bodies):
                client.envelope(SENDER, RECIPIENTS)
                codes[index] = client.command("DATA").code
                if codes[index] == 354:
                    codes[index] = 0
                    client.send(to_wire(body))
                    codes[index] = client.reply().code
    except (Closed, OSError):
        pass  # what has a code by now counts
    return codes


def smtp_round(instance, ledger, fault, size):
    """One session, under FAULT if given. Returns the trace and the codes."""
    label = str(fault or "clean session")
    made = [ledger.message(f"{label}, message {number}", size) for number in (1, 2)]
    path = instance.folder / "fault.trace"
    options = [fault.option()] if fault else []
    with Attached([role(instance, "smtpd-injectors")], path, *options) as tracing:
        codes = send_messages(instance, [body for _, body in made])
    for (token, _), code in zip(made, codes):
        ledger.entries[token].label += f", reply {code}"
        # An error in the middle of the answer hits a message that is queued already.
        unknown = fault and (fault.kind == "KILL" or fault.point.call in ("sendmsg", "sendto"))
        ledger.expect(token, *((1, 1) if code == 250 else (0, 1 if unknown else 0)))
    return tracing.trace(), codes


def smtp_sweep(instance, ledger, kinds=KINDS, size=300):
    """Returns (number of faults, those that did not come about, complaints)."""
    smtp_round(instance, ledger, None, size)
    trace, codes = smtp_round(instance, ledger, None, size)
    assert codes == [250] * MESSAGES, codes
    faults, missed, wrong = faults_of(points_of(trace), kinds), [], []
    for fault in faults:
        instance.expected_signals = True
        trace, _ = smtp_round(instance, ledger, fault, size)
        if not fault.happened(trace):
            missed.append(str(fault))
        ensure_running(instance)
    token, body = ledger.message("a session after all faults")
    if send_messages(instance, [body]) != [250]:
        wrong.append("no message is taken after the faults")
        ledger.expect(token, 0, 1)
    return len(faults), missed, wrong


def send_round(instance, ledger, name, fault, size):
    """Queues two messages while the process NAME is traced. Returns the trace."""
    path = instance.folder / "fault.trace"
    options = [fault.option()] if fault else []
    made = []
    with Attached([role(instance, name)], path, *options) as tracing:
        for number in range(MESSAGES):
            token, body = ledger.message(f"{name}: {fault or 'clean'}, message {number}", size)
            ledger.expect(token, 1, REMARK if fault else 1)
            code, _ = run_queue(instance, body, traced=False)
            assert code == 0, f"ekiden-queue: exit {code}"
            made.append(token)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            if fault and fault.happened(tracing.trace()):
                break
            if not instance.queue_files():
                break
            time.sleep(0.005)
    return tracing.trace()


def send_sweep(instance, ledger, name, kinds=KINDS, size=300):
    """Returns (number of faults, those that did not come about). `settle` judges."""
    for _ in range(2):
        trace = send_round(instance, ledger, name, None, size)
    faults, missed = faults_of(points_of(trace), kinds), []
    for fault in faults:
        instance.expected_signals = True
        trace = send_round(instance, ledger, name, fault, size)
        if not fault.happened(trace):
            missed.append(str(fault))
        ensure_running(instance)
    return len(faults), missed
