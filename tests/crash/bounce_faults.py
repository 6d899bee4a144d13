"""ekiden-bounce under faults: `K` means that the report is in the queue, whole; `Z` that none is.

An order that is not answered is given again by the scheduler, so a report may be there twice.
"""

import os
import subprocess

from bouncer import QueuedReport
from faults import Subject, Trace, environment, tracer
from instance import PATIENCE
from rows import Broken

RECIPIENTS = ["bob@far.test", "ben@far.test"]


class Bounce(Subject):
    single = True

    def __init__(self, bouncer, size, sandbox=True):
        self.bouncer, self.sandbox = bouncer, sandbox
        self.name = f"ekiden-bounce, {size} bytes"
        body = b"Subject: x\n\n" + b"0123456789abcde\n" * (size // 16)
        self.order = bouncer.failed(*((name, "5.1.1 no") for name in RECIPIENTS), body=body)

    def run(self, fault):
        """One ekiden-bounce under `fault` for the order. Returns (letter or None, Trace, hung)."""
        bouncer, path = self.bouncer, self.bouncer.folder / "fault.trace"
        prefix = tracer(path, fault, bouncer.user.get("user"))
        bouncer.start(prefix, environment(self.sandbox))
        letter, hung = None, False
        try:
            number = bouncer.order(self.order)
            answered, letter, text = bouncer.answer()
            assert answered == number, text
        except TimeoutError:
            hung = True
        except OSError:
            pass
        bouncer.link.close()
        try:
            bouncer.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            hung = True
        bouncer.kill()
        return letter, Trace(path).read(), hung

    def complete_reports(self):
        """The whole reports among what is new in the queue; each is looked at."""
        found, bouncer = 0, self.bouncer
        for name in bouncer.new():
            content = bouncer.path(name).read_bytes()
            if content[-81:].startswith(b"\nend "):
                report = QueuedReport(content, name)
                assert report.recipients_reported == RECIPIENTS
                found += 1
            os.unlink(bouncer.path(name))
        return found

    def attempt(self, fault):
        letter, trace, hung = self.run(fault)
        found, what, wrong = self.complete_reports(), f"{self.name}: {trace}: answer {letter}", []
        if hung:
            wrong.append(Broken("hung", what))
        if letter not in (None, "K", "Z"):
            wrong.append(Broken("lost", what))
        if letter == "K" and (found < 1 or trace.forbids_success()):
            wrong.append(Broken("lost", f"{what}, reports in the queue: {found}"))
        if found > (letter != "Z"):
            wrong.append(Broken("doubled", f"{what}, reports in the queue: {found}"))
        if fault is None and letter != "K":
            wrong.append(Broken("other", f"{what}: not even without a fault"))
        return trace, wrong

    def settle(self):
        return self.attempt(None)[1]
