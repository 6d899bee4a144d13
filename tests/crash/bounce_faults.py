"""ekiden-bounce under faults: `K` means that the report is in the queue, whole; `Z` that none is.

An order that is not answered is given again by the scheduler, so a report may be there twice.
"""

import os
import sys
from pathlib import Path

from faults import environment, faults_of, points_of, tracer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from bouncer import QueuedReport  # noqa: E402


def run(bouncer, order, *options, sandbox=False):
    """One ekiden-bounce under strace for one order. Returns (letter or None, trace)."""
    trace = bouncer.folder / "fault.trace"
    user = bouncer.user.get("user")
    bouncer.start(tracer(trace, *options, user=user), environment(sandbox))
    letter = None
    try:
        number = bouncer.order(order)
        answered, letter, text = bouncer.answer()
        assert answered == number, text
    except ConnectionError:
        pass
    bouncer.link.close()
    bouncer.process.wait()
    bouncer.kill()
    return letter, trace.read_text(errors="replace")


def complete_reports(bouncer):
    """The whole reports among what is new in the queue; each is looked at."""
    found = 0
    for name in bouncer.new():
        content = bouncer.path(name).read_bytes()
        if content[-81:].startswith(b"\nend "):
            report = QueuedReport(content, name)
            assert report.recipients_reported == ["bob@far.test", "ben@far.test"]
            found += 1
        os.unlink(bouncer.path(name))
    return found


def judge(bouncer, letter, fault):
    found = complete_reports(bouncer)
    if letter not in (None, "K", "Z"):
        return [f"{fault}: answered {letter}"]
    if letter == "K" and (found != 1 or fault.forbids_success()):
        return [f"{fault}: answered K, reports in the queue: {found}"]
    if letter == "Z" and found:
        return [f"{fault}: answered Z, but the report is in the queue"]
    return [f"{fault}: two reports"] if found > 1 else []


def sweep(bouncer, kinds, body, sandbox=False):
    """Every fault of KINDS from the order's arrival on. Returns (faults, missed, complaints)."""
    order = bouncer.failed(("bob@far.test", "5.1.1 no"), ("ben@far.test", "5.1.1 no"), body=body)
    letter, trace = run(bouncer, order, sandbox=sandbox)
    assert letter == "K" and complete_reports(bouncer) == 1, trace[-3000:]
    points = points_of(trace)
    first = min(point.place for point in points if point.call == "recvmsg")
    faults = faults_of([point for point in points if point.place >= first], kinds)
    missed, wrong = [], []
    for fault in faults:
        letter, trace = run(bouncer, order, fault.option(), sandbox=sandbox)
        if not fault.happened(trace):
            missed.append(str(fault))
        wrong += judge(bouncer, letter, fault)
    letter, trace = run(bouncer, order)
    if letter != "K" or complete_reports(bouncer) != 1:
        wrong.append("not even without a fault")
    return len(faults), missed, wrong
