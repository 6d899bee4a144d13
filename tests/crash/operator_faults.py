"""`ekiden queue` under faults, on a queue without a scheduler: what it does is done whole or not at
all, and wherever it is cut, the message reaches its recipient or ends in one report.

Beside a scheduler the same functions run within that one (queue/queue_operate.h).
"""

import subprocess

from faults import Subject, Trace, environment, run, tracer
from instance import PATIENCE
from queue_faults import check, run_queue, settle
from rows import Broken

SENDER, RECIPIENT = "alice", "bob"
ENVELOPE = f"F{SENDER}@demo.example\0T{RECIPIENT}@demo.example\0".encode()
OPERATIONS = ("hold", "release", "retry", "drop", "bounce")


class Operator(Subject):
    single = True

    def __init__(self, instance, ledger, operation, held=False, sandbox=True):
        self.instance, self.ledger, self.operation = instance, ledger, operation
        self.held, self.sandbox = held or operation == "release", sandbox
        self.name = f"ekiden queue {operation}{', held' if held else ''}"
        self.codes = {}  # token -> exit code
        self.copies, self.leftovers = 1, True

    def queue(self, body):
        """A message that waits. Returns its id."""
        folder = self.instance.queue / "new"
        before = set(folder.iterdir())
        code, _ = run_queue(self.instance, body, traced=False, envelope=ENVELOPE)
        assert code == 0, f"ekiden-queue: exit {code}"
        (path,) = set(folder.iterdir()) - before
        place = "hold" if self.held else "wheel/000" if self.operation == "retry" else "new"
        path.rename(self.instance.queue / place / path.name)
        return path.name

    def words(self, *words):
        return [self.instance.programs / "ekiden", "queue", "-Q", self.instance.queue, *words]

    def attempt(self, fault):
        token, body = self.ledger.message("")
        name = self.queue(body)
        path = self.instance.folder / "fault.trace"
        user = self.instance.user[0] if self.instance.user else None
        command = [*tracer(path, fault, user), *self.words(self.operation, name)]
        code = run(command, PATIENCE, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env=environment(self.sandbox))
        trace = Trace(path).read()
        self.codes[token] = code
        self.ledger.entries[token].label = f"{self.name}: {trace}, exit {code}"
        self.ledger.expect(token, 0, 1)
        assert fault or code == 0, f"{self.name} without a fault: exit {code}"
        if code is None:
            return trace, [Broken("hung", f"{self.name}: {trace}")]
        if code == 0 and trace.forbids_success():
            return trace, [Broken("lost", f"{self.name}: {trace}: exit 0 all the same")]
        return trace, []

    def settle(self):
        """Everything is let go, and delivered by a scheduler."""
        release = self.instance.command("ekiden", "queue", "-Q", self.instance.queue, "release",
                                        "--all")
        subprocess.run(release, check=True, capture_output=True, timeout=PATIENCE)
        wrong = settle(self.instance, self.ledger, (), self.leftovers)
        wrong += check(self.instance, self.ledger, (RECIPIENT,))
        mails = [self.ledger.complete(one) for one in self.instance.mailbox(RECIPIENT)]
        reports = self.ledger.reports(self.instance.mailbox(SENDER))
        for token, code in self.codes.items():
            found = mails.count(token), len(reports[token])
            if (max(found) > self.copies
                    or tuple(int(count > 0) for count in found) not in self.allowed(code)):
                text = f"{found} mails and reports: {self.ledger.entries[token].label}"
                wrong.append(Broken("doubled" if sum(found) > 1 else "lost", text))
        return wrong

    def allowed(self, code):
        """(mails, reports) of a message; what an exit code other than 0 says is that it may be
        either."""
        outcomes = {"drop": (0, 0), "bounce": (0, 1)}
        done = outcomes.get(self.operation, (1, 0))
        return [done] if code == 0 else [done, (1, 0)]
